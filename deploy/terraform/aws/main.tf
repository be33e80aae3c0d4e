# Events of AWS Secrets Manager for rotatord: a rule, a queue, and the least
# permissions. docs/setup/aws.md explains it.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

# --- the queue

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue" "events" {
  name                       = var.name
  message_retention_seconds  = 345600
  visibility_timeout_seconds = 30
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  # A redrive policy counts receives, also those while rotatord could not record
  # the message: 20 lasts for a quarter of an hour.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 20
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

# --- the rules

locals {
  rules = merge(
    {
      changed = jsonencode(merge(
        {
          source      = ["aws.secretsmanager"]
          detail-type = ["Secret Label Updated"]
          resources   = var.secret_arns
        },
        # rotatord's own label is no news to it.
        var.allow_write_back ? {
          detail = {
            labelUpdated = [{ anything-but = [var.mark] }]
          }
        } : {}
      ))
    },
    var.rotation_failures ? {
      failed = jsonencode({
        source      = ["aws.secretsmanager"]
        detail-type = ["AWS Service Event via CloudTrail"]
        detail = {
          eventName = ["RotationFailed", "RotationAbandoned"]
        }
      })
    } : {}
  )
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = "Secrets Manager tells rotatord: ${each.key}"
  event_pattern = each.value
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "events" {
  for_each = aws_cloudwatch_event_rule.events

  rule = each.value.name
  arn  = aws_sqs_queue.events.arn
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "EventBridge"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for rule in aws_cloudwatch_event_rule.events : rule.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.queue.json
}

# --- rotatord

data "aws_iam_policy_document" "rotatord" {
  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = var.secret_arns
  }

  statement {
    sid       = "Events"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [aws_sqs_queue.events.arn]
  }

  dynamic "statement" {
    for_each = var.allow_events_test ? [1] : []

    content {
      sid       = "EventsTest"
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.events.arn]
    }
  }

  dynamic "statement" {
    for_each = var.allow_write_back ? [1] : []

    content {
      sid       = "Mark"
      actions   = ["secretsmanager:UpdateSecretVersionStage"]
      resources = var.secret_arns

      # This label and no other, AWSCURRENT above all.
      condition {
        test     = "StringEquals"
        variable = "secretsmanager:VersionStage"
        values   = [var.mark]
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "Decrypt"
      actions   = ["kms:Decrypt"]
      resources = var.kms_key_arns

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["secretsmanager.*.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_policy" "rotatord" {
  name        = var.name
  description = "rotatord reads these secrets and receives their events"
  policy      = data.aws_iam_policy_document.rotatord.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "rotatord" {
  count = var.rotatord_role_name == "" ? 0 : 1

  role       = var.rotatord_role_name
  policy_arn = aws_iam_policy.rotatord.arn
}

# --- what Planet gets

data "aws_iam_policy_document" "planet" {
  count = var.planet_bucket == "" ? 0 : 1

  statement {
    sid       = "Deliver"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    resources = ["arn:${data.aws_partition.here.partition}:s3:::${var.planet_bucket}/*"]
  }
}

data "aws_partition" "here" {}

# The user has no access key here: a key made by Terraform would stand in its
# state. The job that rotates makes keys.
resource "aws_iam_user" "planet" {
  count = var.planet_bucket == "" ? 0 : 1

  name = "${var.name}-planet"
  tags = var.tags
}

resource "aws_iam_user_policy" "planet" {
  count = var.planet_bucket == "" ? 0 : 1

  name   = "deliver"
  user   = aws_iam_user.planet[0].name
  policy = data.aws_iam_policy_document.planet[0].json
}
