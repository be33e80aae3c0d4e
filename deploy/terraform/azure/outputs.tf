output "storage_queue_url" {
  description = "For queue in [[source.storage_queue]]; null with Service Bus."
  value       = local.storage_queue ? "${azurerm_storage_account.events[0].primary_queue_endpoint}${azurerm_storage_queue.events[0].name}" : null
}

output "service_bus_namespace" {
  description = "For namespace in [[source.service_bus]]; null with a storage queue."
  value       = local.service_bus ? "${azurerm_servicebus_namespace.events[0].name}.servicebus.windows.net" : null
}

output "queue_name" {
  description = "For queue in [[source.service_bus]]."
  value       = var.name
}

output "system_topic" {
  description = "The vault's system topic, for further event subscriptions."
  value       = azurerm_eventgrid_system_topic.vault.id
}
