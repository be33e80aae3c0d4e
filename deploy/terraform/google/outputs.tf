output "subscription" {
  description = "For subscription in [[source.pubsub]]."
  value       = google_pubsub_subscription.events.id
}

output "topic" {
  description = "For topic in [[source.pubsub]], which only \"rotatord events test\" needs."
  value       = google_pubsub_topic.events.id
}

output "secrets" {
  description = "For secret in [[destination]]."
  value       = [for secret in google_secret_manager_secret.planet : "projects/${var.project}/secrets/${secret.secret_id}"]
}

output "planet_service_account" {
  description = "The service account whose keys Planet gets."
  value       = one(google_service_account.planet[*].email)
}
