# Events of Azure Key Vault for rotatord: a system topic, a queue, and the least
# permissions. docs/setup/azure.md explains it.

terraform {
  required_version = ">= 1.5"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.60, < 5.0"
    }
  }
}

locals {
  storage_queue = var.transport == "storage_queue"
  service_bus   = var.transport == "service_bus"

  # What a role is assigned on: the secrets that are named, or the whole vault.
  secret_scopes = length(var.secret_names) > 0 ? {
    for name in var.secret_names : name => "${var.key_vault_id}/secrets/${name}"
  } : { vault = var.key_vault_id }

  # Where events go, and where roles for that are assigned.
  queue_id = local.storage_queue ? "${azurerm_storage_account.events[0].id}/queueServices/default/queues/${azurerm_storage_queue.events[0].name}" : azurerm_servicebus_queue.events[0].id

  send_role    = local.storage_queue ? "Storage Queue Data Message Sender" : "Azure Service Bus Data Sender"
  receive_role = local.storage_queue ? "Storage Queue Data Message Processor" : "Azure Service Bus Data Receiver"
}

# --- the queue: of a storage account, or of Service Bus

resource "azurerm_storage_account" "events" {
  count = local.storage_queue ? 1 : 0

  name                            = var.unique_name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = var.storage_account_keys
  tags                            = var.tags
}

resource "azurerm_storage_queue" "events" {
  count = local.storage_queue ? 1 : 0

  name               = var.name
  storage_account_id = azurerm_storage_account.events[0].id
}

resource "azurerm_servicebus_namespace" "events" {
  count = local.service_bus ? 1 : 0

  name                = var.unique_name
  resource_group_name = var.resource_group_name
  location            = var.location
  sku                 = var.service_bus_sku
  local_auth_enabled  = false # no keys: Entra's identities alone
  tags                = var.tags
}

resource "azurerm_servicebus_queue" "events" {
  count = local.service_bus ? 1 : 0

  name               = var.name
  namespace_id       = azurerm_servicebus_namespace.events[0].id
  lock_duration      = "PT1M"
  max_delivery_count = 10
}

# --- the vault's events

# A vault has one system topic at most. Import it if it is there already.
resource "azurerm_eventgrid_system_topic" "vault" {
  name                = "${var.name}-vault"
  resource_group_name = var.resource_group_name
  location            = var.location
  source_resource_id  = var.key_vault_id
  topic_type          = "Microsoft.KeyVault.vaults"
  tags                = var.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "event_grid" {
  scope                = local.queue_id
  role_definition_name = local.send_role
  principal_id         = azurerm_eventgrid_system_topic.vault.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "events" {
  name                          = var.name
  system_topic                  = azurerm_eventgrid_system_topic.vault.name
  resource_group_name           = var.resource_group_name
  service_bus_queue_endpoint_id = local.service_bus ? azurerm_servicebus_queue.events[0].id : null

  included_event_types = concat(
    ["Microsoft.KeyVault.SecretNewVersionCreated"],
    var.expiry_events ? ["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"] : []
  )

  delivery_identity {
    type = "SystemAssigned"
  }

  dynamic "storage_queue_endpoint" {
    for_each = local.storage_queue ? [1] : []

    content {
      storage_account_id = azurerm_storage_account.events[0].id
      queue_name         = azurerm_storage_queue.events[0].name
    }
  }

  # The subject of an event is the secret's name.
  dynamic "advanced_filter" {
    for_each = length(var.secret_names) > 0 ? [1] : []

    content {
      string_in {
        key    = "subject"
        values = tolist(var.secret_names)
      }
    }
  }

  # Event Grid tries to deliver as that identity at once.
  depends_on = [azurerm_role_assignment.event_grid]
}

# --- rotatord

# Nothing but readMetadata and getSecret.
resource "azurerm_role_assignment" "secrets" {
  for_each = var.assign_vault_role ? local.secret_scopes : {}

  scope                = each.value
  role_definition_name = "Key Vault Secrets User"
  principal_id         = var.rotatord_principal_id
}

# To tag the version that is in use. No role of Microsoft's has update without
# setSecret.
resource "azurerm_role_definition" "mark" {
  count = var.allow_write_back && var.assign_vault_role ? 1 : 0

  name        = "${var.name}: mark a secret of ${basename(var.key_vault_id)}"
  description = "Tag the version of a secret that is in use"
  scope       = var.key_vault_id

  permissions {
    data_actions = [
      "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
      "Microsoft.KeyVault/vaults/secrets/update/action",
    ]
  }

  assignable_scopes = [var.key_vault_id]
}

resource "azurerm_role_assignment" "mark" {
  for_each = var.allow_write_back && var.assign_vault_role ? local.secret_scopes : {}

  scope              = each.value
  role_definition_id = azurerm_role_definition.mark[0].role_definition_resource_id
  principal_id       = var.rotatord_principal_id
}

resource "azurerm_role_assignment" "receive" {
  scope                = local.queue_id
  role_definition_name = local.receive_role
  principal_id         = var.rotatord_principal_id
}

resource "azurerm_role_assignment" "events_test" {
  count = var.allow_events_test ? 1 : 0

  scope                = local.queue_id
  role_definition_name = local.send_role
  principal_id         = var.rotatord_principal_id
}
