variable "name" {
  description = "Name of the queue, and beginning of all other names."
  type        = string
  default     = "rotatord"
}

variable "secret_arns" {
  description = "The secrets that destinations name, by their whole ARNs."
  type        = list(string)

  validation {
    condition = length(var.secret_arns) > 0 && alltrue([
      for arn in var.secret_arns : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+-[A-Za-z0-9]{6}$", arn))
    ])
    error_message = "Give whole ARNs with their six-character suffix: the rule compares them as they are."
  }
}

variable "rotatord_role_name" {
  description = "The role that rotatord runs as, which gets the policy; empty to attach it yourself."
  type        = string
  default     = ""
}

variable "kms_key_arns" {
  description = "KMS keys of your own that the secrets are encrypted with; none for the default key."
  type        = list(string)
  default     = []
}

variable "rotation_failures" {
  description = "Also send RotationFailed and RotationAbandoned. They come by CloudTrail, so a trail has to exist."
  type        = bool
  default     = false
}

variable "allow_events_test" {
  description = "Let rotatord send to the queue, for \"rotatord events test\"."
  type        = bool
  default     = false
}

variable "allow_write_back" {
  description = "Let rotatord move the label \"mark\" to the version that is in use, for [gate] write_back."
  type        = bool
  default     = false
}

variable "mark" {
  description = "The label that rotatord moves with allow_write_back, as [gate] mark has it."
  type        = string
  default     = "rotatord-accepted"

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@!-]{1,256}$", var.mark)) && !contains(["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"], upper(var.mark))
    error_message = "Use a label of your own, and not AWSCURRENT or the like."
  }
}

variable "planet_bucket" {
  description = "The bucket that Planet delivers to, for a user with the permissions that Planet needs; empty for none."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
