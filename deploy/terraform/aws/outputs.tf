output "queue_url" {
  description = "For queue in [[source.sqs]]."
  value       = aws_sqs_queue.events.url
}

output "dead_letter_queue_url" {
  description = "Where messages end that nobody understands, if dead_letter is set."
  value       = aws_sqs_queue.dead.url
}

output "rotatord_policy_arn" {
  description = "What rotatord's identity needs."
  value       = aws_iam_policy.rotatord.arn
}

output "planet_user" {
  description = "The IAM user whose access keys Planet gets."
  value       = one(aws_iam_user.planet[*].name)
}
