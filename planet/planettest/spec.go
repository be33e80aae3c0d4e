package planettest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// object is a piece of the OpenAPI document.
type object = map[string]any

// getSpec answers an OpenAPI document of what the simulator does. It is made
// from the table that requests are checked with, so that the two agree.
func (s *Simulator) getSpec(_ context.Context, c *call, _ string) (answer, *problem) {
	b := s.current()
	schemas := object{
		"Destination": schemaDestination(b), "DestinationList": schemaList(),
		"Create": schemaCreate(), "Modify": schemaModify(), "Error": schemaError(),
		"Default": closed(object{"destination_id": text()}, "destination_id"),
	}
	for _, k := range kinds {
		schemas["create_"+k.name] = k.schema(false)
		schemas["modify_"+k.name] = k.schema(true)
	}
	return reply(http.StatusOK, object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "Planet Destinations API, simulated",
			"version":     "1",
			"description": "A simulation of Planet's Destinations API. It follows Planet's public documents; it is not Planet's own schema.",
		},
		"servers":    []any{object{"url": c.base}},
		"security":   []any{object{"apiKey": []any{}}, object{"bearer": []any{}}, object{"basic": []any{}}},
		"paths":      s.specPaths(b),
		"components": object{"schemas": schemas, "securitySchemes": specSecurity()},
	}), nil
}

func specSecurity() object {
	return object{
		"apiKey": object{"type": "apiKey", "in": "header", "name": "Authorization", "description": "api-key <KEY>"},
		"bearer": object{"type": "http", "scheme": "bearer"},
		"basic":  object{"type": "http", "scheme": "basic", "description": "the key as the user name"},
	}
}

func (s *Simulator) specPaths(b Behaviour) object {
	id := object{"name": "id", "in": "path", "required": true, "schema": text()}
	query := make([]any, 0, len(filters)+1)
	for _, name := range filters {
		query = append(query, object{"name": name, "in": "query", "schema": object{"type": "boolean"}})
	}
	query = append(query, object{"name": "sort_by", "in": "query", "schema": oneOf("created", "name", "type", "updated")})
	modified := success(b.ModifyStatus, "Destination")
	if b.ModifyEmptyBody || b.ModifyStatus == http.StatusNoContent {
		modified = success(b.ModifyStatus, "")
	}
	return object{
		"/": object{
			"get":  operate("List the organization's destinations", "", success(http.StatusOK, "DestinationList"), query...),
			"post": operate("Create a destination", "Create", success(b.CreateStatus, "Destination")),
		},
		"/{id}": object{
			"parameters": []any{id},
			"get":        operate("Get a destination", "", success(http.StatusOK, "Destination")),
			"patch":      operate("Change the credentials, the name, or whether it is archived", "Modify", modified),
		},
		"/default": object{
			"get":    operate("Get the default destination", "", success(http.StatusOK, "Destination")),
			"put":    operate("Set the default destination", "Default", success(http.StatusOK, "Destination")),
			"delete": operate("Unset the default destination", "", success(http.StatusNoContent, "")),
		},
		"/spec": object{
			"get": object{"summary": "This document", "security": []any{}, "responses": object{"200": object{"description": "OpenAPI 3.1"}}},
		},
	}
}

func operate(summary, body string, responses object, parameters ...any) object {
	responses["default"] = object{"description": "An error", "content": content("Error")}
	o := object{"summary": summary, "responses": responses}
	if body != "" {
		o["requestBody"] = object{"required": true, "content": content(body)}
	}
	if len(parameters) > 0 {
		o["parameters"] = parameters
	}
	return o
}

func success(status int, schema string) object {
	response := object{"description": http.StatusText(status)}
	if schema != "" {
		response["content"] = content(schema)
	}
	return object{strconv.Itoa(status): response}
}

func content(schema string) object {
	return object{"application/json": object{"schema": reference(schema)}}
}

func reference(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }

func text() object { return object{"type": "string", "minLength": 1} }

func oneOf(values ...string) object { return object{"type": "string", "enum": values} }

// closed is an object that takes no other keys.
func closed(properties object, required ...string) object {
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// schema describes the type's parameters on create or on PATCH.
func (k kind) schema(update bool) object {
	properties := object{}
	required := slices.Clone(k.secrets)
	for _, name := range k.secrets {
		properties[name] = object{"type": "string", "minLength": 1, "writeOnly": true}
	}
	for _, name := range k.optional {
		properties[name] = object{"type": "boolean", "default": false}
	}
	if !update {
		for _, name := range append(slices.Clone(k.structural), k.extra...) {
			properties[name] = text()
		}
		required = append(slices.Clone(k.structural), required...)
	}
	return closed(properties, required...)
}

func schemaName() object { return object{"type": "string", "minLength": 3, "maxLength": 63} }

func kindNames() []string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func schemaCreate() object {
	each := make([]any, 0, len(kinds))
	for _, k := range kinds {
		each = append(each, closed(object{
			"name": schemaName(), "type": object{"const": k.name}, "parameters": reference("create_" + k.name),
		}, "type", "parameters"))
	}
	return object{"oneOf": each, "description": "A missing name is the bucket's or container's."}
}

func schemaModify() object {
	each := make([]any, 0, len(kinds))
	for _, name := range kindNames() {
		each = append(each, reference("modify_"+name))
	}
	o := closed(object{
		"name": schemaName(), "archive": object{"type": "boolean"},
		"parameters": object{"anyOf": each, "description": "All credential parameters of the destination's type, nothing structural."},
	})
	o["minProperties"] = 1
	return o
}

func schemaDestination(b Behaviour) object {
	stamp := object{"type": "string", "format": "date-time"}
	properties := object{
		"_links":   closed(object{"_self": text()}, "_self"),
		"archived": object{"type": []string{"string", "null"}, "format": "date-time"},
		"created":  stamp, "updated": stamp,
		"id": text(), "name": schemaName(), "pl:ref": text(), "type": oneOf(kindNames()...),
		"ownership":   closed(object{"is_owner": object{"type": "boolean"}, "owner_id": object{"type": "integer"}}, "is_owner", "owner_id"),
		"permissions": closed(object{"can_write": object{"type": "boolean"}}, "can_write"),
		"parameters":  object{"type": "object", "description": "Secrets are shown as " + redacted + "."},
	}
	if !b.OmitDefault {
		properties["default"] = object{"type": "boolean"}
	}
	required := make([]string, 0, len(properties))
	for name := range properties {
		required = append(required, name)
	}
	slices.SortFunc(required, strings.Compare)
	return closed(properties, required...)
}

func schemaList() object {
	return closed(object{
		"_links":       closed(object{"_self": text()}, "_self"),
		"destinations": object{"type": "array", "items": reference("Destination")},
	}, "_links", "destinations")
}

func schemaError() object {
	return closed(object{"code": object{"type": "integer"}, "message": text()}, "code", "message")
}
