variable "resource_group_name" {
  description = "The resource group, which exists, for topic and queue."
  type        = string
}

variable "location" {
  description = "The vault's region; its system topic has to be there too."
  type        = string
}

variable "key_vault_id" {
  description = "The vault, which exists, by its resource id."
  type        = string

  validation {
    condition     = can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", var.key_vault_id))
    error_message = "Give the id as in \"az keyvault show --query id\", not the vault's URL."
  }
}

variable "secret_names" {
  description = "Names of the secrets that destinations use. Roles and events are confined to them; none for the whole vault."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.secret_names) <= 25
    error_message = "Event Grid filters by 25 names at most: leave them out for the whole vault."
  }
}

variable "rotatord_principal_id" {
  description = "Object id of the identity that rotatord runs as: of a managed identity, its principal id."
  type        = string
}

variable "assign_vault_role" {
  description = "Assign \"Key Vault Secrets User\". Not for a vault with access policies, where roles count for nothing."
  type        = bool
  default     = true
}

variable "transport" {
  description = "Where events go: storage_queue or service_bus."
  type        = string
  default     = "storage_queue"

  validation {
    condition     = contains(["storage_queue", "service_bus"], var.transport)
    error_message = "Write storage_queue or service_bus."
  }
}

variable "unique_name" {
  description = "Name of the storage account or of the Service Bus namespace, which nobody else in Azure has."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{5,23}$", var.unique_name))
    error_message = "Use 6 to 24 lower-case letters and digits, a letter first."
  }
}

variable "name" {
  description = "Name of queue and event subscription, and beginning of the topic's name."
  type        = string
  default     = "rotatord"

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,39}$", var.name))
    error_message = "Use 3 to 40 lower-case letters, digits and single hyphens inside."
  }
}

variable "expiry_events" {
  description = "Also send SecretNearExpiry and SecretExpired, of secrets that have an expiry date of their own."
  type        = bool
  default     = true
}

variable "allow_events_test" {
  description = "Let rotatord send to the queue, for \"rotatord events test\"."
  type        = bool
  default     = false
}

variable "allow_write_back" {
  description = "Let rotatord tag the version that is in use, for [gate] write_back. In a vault with access policies give it the secret permission Set by hand."
  type        = bool
  default     = false
}

variable "storage_account_keys" {
  description = "Let the storage account have keys. rotatord and Event Grid don't use them; the azurerm provider does, unless it has storage_use_azuread."
  type        = bool
  default     = true
}

variable "service_bus_sku" {
  description = "Tier of the Service Bus namespace: Basic, Standard or Premium."
  type        = string
  default     = "Standard"
}

variable "tags" {
  description = "Tags of everything that can have them."
  type        = map(string)
  default     = {}
}
