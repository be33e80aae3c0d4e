variable "project" {
  description = "The project's id. Secrets, topic, subscription and rotatord's service account are in it."
  type        = string
}

variable "name" {
  description = "Name of topic and subscription, and beginning of all other names."
  type        = string
  default     = "rotatord"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}[a-z0-9]$", var.name))
    error_message = "Use 4 to 22 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "secrets" {
  description = "Ids of the secrets to make, global ones. Import those that exist."
  type        = set(string)
}

variable "rotatord_service_account" {
  description = "The e-mail address of the service account that rotatord runs as."
  type        = string
}

variable "kubernetes_service_account" {
  description = "NAMESPACE/NAME of the Kubernetes service account on GKE that becomes rotatord's; empty for none."
  type        = string
  default     = ""
}

variable "show_expiry" {
  description = "Let rotatord read a secret's own expiry and next rotation."
  type        = bool
  default     = true
}

variable "allow_events_test" {
  description = "Let rotatord publish to the topic, for \"rotatord events test\"."
  type        = bool
  default     = false
}

variable "allow_write_back" {
  description = "Let rotatord write into an annotation which version is in use, for [gate] write_back. It may then change the secret's other metadata too."
  type        = bool
  default     = false
}

variable "planet_bucket" {
  description = "The bucket that Planet delivers to, in the same project, for a service account with the permissions that Planet needs; empty for none."
  type        = string
  default     = ""
}

variable "labels" {
  description = "Labels of everything that can have them."
  type        = map(string)
  default     = {}
}
