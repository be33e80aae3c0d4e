# Events of Google Secret Manager for rotatord: a topic, a subscription, and the
# least permissions. docs/setup/google.md explains it.

terraform {
  required_version = ">= 1.5"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0, < 8.0"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = ">= 5.0, < 8.0"
    }
  }
}

data "google_project" "here" {
  project_id = var.project
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  rotatord     = "serviceAccount:${var.rotatord_service_account}"
}

# --- the topic

# Secret Manager's own service account, which does the publishing.
resource "google_project_service_identity" "secretmanager" {
  provider = google-beta

  project = var.project
  service = "secretmanager.googleapis.com"
}

resource "google_pubsub_topic" "events" {
  project = var.project
  name    = var.name
  labels  = var.labels
}

resource "google_pubsub_topic_iam_member" "secretmanager" {
  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${google_project_service_identity.secretmanager.email}"
}

# --- the secrets

# Without a value: one that Terraform writes would stand in its state.
resource "google_secret_manager_secret" "planet" {
  for_each = var.secrets

  project   = var.project
  secret_id = each.value
  labels    = var.labels

  replication {
    auto {}
  }

  topics {
    name = google_pubsub_topic.events.id
  }

  # Secret Manager publishes to the topic to try it.
  depends_on = [google_pubsub_topic_iam_member.secretmanager]
}

# --- the subscription

resource "google_pubsub_topic" "dead" {
  project = var.project
  name    = "${var.name}-dead"
  labels  = var.labels
}

# Keeps what is dead-lettered; a topic keeps nothing.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "${var.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = "604800s"
  labels                     = var.labels

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "events" {
  project                    = var.project
  name                       = var.name
  topic                      = google_pubsub_topic.events.id
  ack_deadline_seconds       = 20
  message_retention_duration = "604800s"
  labels                     = var.labels

  # A subscription that nobody pulls for a month would be deleted.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }

  # It counts deliveries, also those that rotatord could not record.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 20
  }
}

# Pub/Sub's own service account does the dead-lettering.
resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead" {
  project      = var.project
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# --- rotatord

resource "google_project_iam_custom_role" "reader" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_secret_reader"
  title       = "rotatord: read a secret"
  description = "What rotatord asks of a secret"

  permissions = concat(
    [
      "secretmanager.versions.access",
      "secretmanager.versions.get",
      "secretmanager.versions.list",
    ],
    # The secret's own expiry and next rotation.
    var.show_expiry ? ["secretmanager.secrets.get"] : []
  )
}

resource "google_secret_manager_secret_iam_member" "rotatord" {
  for_each = google_secret_manager_secret.planet

  project   = var.project
  secret_id = each.value.secret_id
  role      = google_project_iam_custom_role.reader.id
  member    = local.rotatord
}

# To write into an annotation which version is in use. It can't be confined to
# annotations, and gives no value away.
resource "google_project_iam_custom_role" "marker" {
  count = var.allow_write_back ? 1 : 0

  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_marker"
  title       = "rotatord: mark a secret"
  description = "What rotatord needs to write back which version is in use"

  permissions = [
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
    "secretmanager.versions.get",
  ]
}

resource "google_secret_manager_secret_iam_member" "marker" {
  for_each = var.allow_write_back ? google_secret_manager_secret.planet : {}

  project   = var.project
  secret_id = each.value.secret_id
  role      = google_project_iam_custom_role.marker[0].id
  member    = local.rotatord
}

resource "google_project_iam_custom_role" "consumer" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_consumer"
  title       = "rotatord: pull a subscription"
  description = "What rotatord asks of a subscription"
  permissions = ["pubsub.subscriptions.consume"]
}

resource "google_pubsub_subscription_iam_member" "rotatord" {
  project      = var.project
  subscription = google_pubsub_subscription.events.name
  role         = google_project_iam_custom_role.consumer.id
  member       = local.rotatord
}

# roles/pubsub.publisher is nothing but pubsub.topics.publish.
resource "google_pubsub_topic_iam_member" "rotatord" {
  count = var.allow_events_test ? 1 : 0

  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = local.rotatord
}

# Workload identity on GKE: the Kubernetes service account may be this one.
resource "google_service_account_iam_member" "workload_identity" {
  count = var.kubernetes_service_account == "" ? 0 : 1

  service_account_id = "projects/${var.project}/serviceAccounts/${var.rotatord_service_account}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.kubernetes_service_account}]"
}

# --- what Planet gets

# The account has no key here: a key made by Terraform would stand in its state.
# The job that rotates makes keys.
resource "google_service_account" "planet" {
  count = var.planet_bucket == "" ? 0 : 1

  project      = var.project
  account_id   = "${var.name}-planet"
  display_name = "Planet delivers to ${var.planet_bucket}"
}

resource "google_project_iam_custom_role" "deliver" {
  count = var.planet_bucket == "" ? 0 : 1

  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_planet_deliver"
  title       = "Planet: deliver to a bucket"
  description = "What Planet does with a bucket"

  permissions = [
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
  ]
}

resource "google_storage_bucket_iam_member" "planet" {
  count = var.planet_bucket == "" ? 0 : 1

  bucket = var.planet_bucket
  role   = google_project_iam_custom_role.deliver[0].id
  member = "serviceAccount:${google_service_account.planet[0].email}"
}
