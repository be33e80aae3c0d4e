package planettest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestEveryTypeIsCreatedAndShownRedacted(t *testing.T) {
	for _, c := range []struct {
		kind, parameters string
		shown            map[string]any
	}{
		{
			"amazon_s3", `{"bucket":"tiles","aws_region":"r","aws_access_key_id":"i","aws_secret_access_key":"s","explicit_sse":true}`,
			map[string]any{"bucket": "tiles", "aws_region": "r", "aws_access_key_id": "<REDACTED>", "aws_secret_access_key": "<REDACTED>", "explicit_sse": true},
		},
		{
			"google_cloud_storage", `{"bucket":"tiles","credentials":"` + serviceAccount + `"}`,
			map[string]any{"bucket": "tiles", "credentials": "<REDACTED>"},
		},
		{
			"azure_blob_storage", `{"account":"a","container":"tiles","sas_token":"t","storage_endpoint_suffix":"x.example"}`,
			map[string]any{"account": "a", "container": "tiles", "sas_token": "<REDACTED>", "storage_endpoint_suffix": "x.example"},
		},
		{
			"oracle_cloud_storage", `{"bucket":"tiles","region":"r","namespace":"n","customer_access_key_id":"i","customer_secret_key":"s"}`,
			map[string]any{"bucket": "tiles", "region": "r", "namespace": "n", "customer_access_key_id": "<REDACTED>", "customer_secret_key": "<REDACTED>"},
		},
		{
			"s3_compatible", `{"bucket":"tiles","region":"r","endpoint":"e","access_key_id":"i","secret_access_key":"s"}`,
			map[string]any{"bucket": "tiles", "region": "r", "endpoint": "e", "access_key_id": "<REDACTED>", "secret_access_key": "<REDACTED>", "use_path_style": false},
		},
	} {
		t.Run(c.kind, func(t *testing.T) {
			sim := newSim(t, planettest.Options{})
			made := send(t, sim, "ada", "POST", "/", `{"type":"`+c.kind+`","parameters":`+c.parameters+`}`).want(t, http.StatusCreated)
			if diff := cmp.Diff(c.shown, made.parameters()); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if made.text("name") != "tiles" {
				t.Errorf("the missing name became %q, want the bucket's or container's", made.text("name"))
			}
			if got := send(t, sim, "ada", "GET", "/"+made.text("id"), "").want(t, 200); got.raw != made.raw {
				t.Errorf("get says\n%s\nbut create said\n%s", got.raw, made.raw)
			}
		})
	}
}

func TestADestinationHasPlanetsForm(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("My S3, destination!"))
	if !regexp.MustCompile(`^my-s3-destination-[0-9A-Za-z]{6,7}$`).MatchString(id) {
		t.Errorf("the id is %q", id)
	}
	got := send(t, sim, "bob", "GET", "/"+id, "").want(t, 200).body
	for _, field := range []string{"created", "updated"} {
		stamp, _ := got[field].(string)
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$`).MatchString(stamp) {
			t.Errorf("%s is %q", field, stamp)
		}
		delete(got, field)
	}
	want := map[string]any{
		"_links": map[string]any{"_self": base + "/" + id}, "archived": nil, "default": false,
		"id": id, "name": "My S3, destination!", "type": "amazon_s3", "pl:ref": "pl:destinations/" + id,
		"ownership": map[string]any{"is_owner": false, "owner_id": 7.0}, "permissions": map[string]any{"can_write": false},
		"parameters": map[string]any{
			"bucket": "b", "aws_region": "us-west-2", "explicit_sse": false,
			"aws_access_key_id": "<REDACTED>", "aws_secret_access_key": "<REDACTED>",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("destination (-want +got):\n%s", diff)
	}
}

func TestBodiesAreStrict(t *testing.T) {
	const params = `{"bucket":"tiles","aws_region":"r","aws_access_key_id":"i","aws_secret_access_key":"s"}`
	gcs := func(credentials string) string {
		return `{"type":"google_cloud_storage","parameters":{"bucket":"tiles","credentials":"` + credentials + `"}}`
	}
	for name, c := range map[string]struct{ method, body, says string }{
		"create: no body":                {"POST", ``, "not valid JSON"},
		"create: an array":               {"POST", `[]`, "must be a JSON object"},
		"create: something after it":     {"POST", `{} {}`, "not valid JSON"},
		"create: no UTF-8":               {"POST", "{\"type\":\"\xff\"}", "not valid JSON"},
		"create: an unknown key":         {"POST", `{"type":"amazon_s3","parameters":` + params + `,"labels":1}`, "labels is not a key"},
		"create: a key of another case":  {"POST", `{"Type":"amazon_s3","parameters":` + params + `}`, "is not a key"},
		"create: a key twice":            {"POST", `{"type":"amazon_s3","type":"amazon_s3","parameters":` + params + `}`, "twice"},
		"create: no type":                {"POST", `{"parameters":` + params + `}`, "required"},
		"create: an unknown type":        {"POST", `{"type":"s3","parameters":` + params + `}`, "type must be"},
		"create: no parameters":          {"POST", `{"type":"amazon_s3"}`, "required"},
		"create: structural missing":     {"POST", `{"type":"amazon_s3","parameters":{"bucket":"tiles","aws_access_key_id":"i","aws_secret_access_key":"s"}}`, "aws_region is required"},
		"create: credential missing":     {"POST", `{"type":"amazon_s3","parameters":{"bucket":"tiles","aws_region":"r","aws_access_key_id":"i"}}`, "aws_secret_access_key is required"},
		"create: another type's field":   {"POST", `{"type":"google_cloud_storage","parameters":` + params + `}`, "not a parameter"},
		"create: a name of two":          {"POST", `{"name":"ab","type":"amazon_s3","parameters":` + params + `}`, "3 to 63"},
		"create: a name of 64":           {"POST", `{"name":"` + strings.Repeat("é", 64) + `","type":"amazon_s3","parameters":` + params + `}`, "3 to 63"},
		"create: a name of null":         {"POST", `{"name":null,"type":"amazon_s3","parameters":` + params + `}`, "name must be a string"},
		"create: a bucket too short":     {"POST", strings.Replace(`{"type":"amazon_s3","parameters":`+params+`}`, "tiles", "ab", 1), "3 to 63"},
		"create: credentials no base64":  {"POST", gcs("{}"), "must be base64"},
		"create: credentials in lines":   {"POST", gcs(serviceAccount[:8] + `\n` + serviceAccount[8:]), "single line"},
		"create: credentials no JSON":    {"POST", gcs(base64.StdEncoding.EncodeToString([]byte("hello"))), "base64 of a JSON object"},
		"create: credentials no object":  {"POST", gcs(base64.StdEncoding.EncodeToString([]byte("[]"))), "base64 of a JSON object"},
		"patch: nothing":                 {"PATCH", `{}`, "needs parameters, archive or name"},
		"patch: bare fields":             {"PATCH", `{"aws_access_key_id":"i","aws_secret_access_key":"s"}`, "is not a key"},
		"patch: an unknown key":          {"PATCH", `{"archived":true}`, "archived is not a key"},
		"patch: half a credential":       {"PATCH", `{"parameters":{"aws_access_key_id":"i"}}`, "aws_secret_access_key is required"},
		"patch: no credential":           {"PATCH", `{"parameters":{"explicit_sse":true}}`, "is required"},
		"patch: a structural parameter":  {"PATCH", `{"parameters":{"bucket":"b","aws_access_key_id":"i","aws_secret_access_key":"s"}}`, "bucket cannot be changed"},
		"patch: an unknown parameter":    {"PATCH", `{"parameters":{"token":"b","aws_access_key_id":"i","aws_secret_access_key":"s"}}`, "token is not a parameter"},
		"patch: a credential twice":      {"PATCH", `{"parameters":{"aws_access_key_id":"i","aws_access_key_id":"i","aws_secret_access_key":"s"}}`, "twice"},
		"patch: a number for a string":   {"PATCH", `{"parameters":{"aws_access_key_id":1,"aws_secret_access_key":"s"}}`, "must be a string"},
		"patch: an empty credential":     {"PATCH", `{"parameters":{"aws_access_key_id":"","aws_secret_access_key":"s"}}`, "must not be empty"},
		"patch: a string for a boolean":  {"PATCH", `{"parameters":{"aws_access_key_id":"i","aws_secret_access_key":"s","explicit_sse":"true"}}`, "true or false"},
		"patch: null parameters":         {"PATCH", `{"parameters":null}`, "must be a JSON object"},
		"patch: archive of null":         {"PATCH", `{"archive":null}`, "true or false"},
		"patch: a name that is too long": {"PATCH", `{"name":"` + strings.Repeat("a", 64) + `"}`, "3 to 63"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{})
			id := sim.Seed("ada", s3("demo"))
			before, _ := sim.Stored(id)
			path := "/"
			if c.method == "PATCH" {
				path += id
			}
			got := send(t, sim, "ada", c.method, path, c.body).want(t, http.StatusBadRequest)
			if !strings.Contains(got.text("message"), c.says) {
				t.Errorf("the message is %q, want it to say %q", got.text("message"), c.says)
			}
			if after, _ := sim.Stored(id); after.Updated != before.Updated || !last(sim).Effect.IsZero() {
				t.Error("a refused body changed something")
			}
		})
	}
}

func TestABodyIsBounded(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	send(t, sim, "ada", "POST", "/", `{"name":"`+strings.Repeat("a", 1<<20)+`"}`).want(t, http.StatusRequestEntityTooLarge)
}

func TestAnUpdateReplacesTheCredentials(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	before := send(t, sim, "ada", "GET", "/"+id, "").want(t, 200)
	after := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
	if held(t, sim, id) != "new" {
		t.Error("the credentials are not the new ones")
	}
	if after.text("updated") <= before.text("updated") {
		t.Error("updated did not move")
	}
	delete(before.body, "updated")
	delete(after.body, "updated")
	if diff := cmp.Diff(before.body, after.body); diff != "" {
		t.Errorf("something else changed (-before +after):\n%s", diff)
	}
}

func TestAnUpdateDoesAllOfItsPartsOrNone(t *testing.T) {
	sim := newSim(t, planettest.Options{Verifier: refuseKey("bad")})
	id := sim.Seed("ada", s3("demo"))
	all := strings.TrimSuffix(newKeys("bad"), "}") + `,"name":"other","archive":true}`
	send(t, sim, "ada", "PATCH", "/"+id, all).want(t, 400)
	if d, _ := sim.Stored(id); d.Name != "demo" || d.Archived || held(t, sim, id) != "old-id" {
		t.Error("a refused update did some of its parts")
	}
	send(t, sim, "ada", "PATCH", "/"+id, strings.ReplaceAll(all, "bad", "good")).want(t, 200)
	if d, _ := sim.Stored(id); d.Name != "other" || !d.Archived || held(t, sim, id) != "good" {
		t.Error("an accepted update did not do all of its parts")
	}
}

func TestOnlyTheOwnerAndAdminsModify(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	for user, status := range map[string]int{"ada": 200, "root": 200, "bob": 403, "eve": 404} {
		send(t, sim, user, "PATCH", "/"+id, newKeys("new")).want(t, status)
	}
	for user, can := range map[string]bool{"ada": true, "root": true, "bob": false} {
		got := send(t, sim, user, "GET", "/"+id, "").want(t, 200)
		if diff := cmp.Diff(map[string]any{"can_write": can}, got.body["permissions"]); diff != "" {
			t.Errorf("permissions for %s (-want +got):\n%s", user, diff)
		}
	}
	sim.SetCanWrite(id, "bob", true)
	sim.SetCanWrite(id, "ada", false)
	send(t, sim, "bob", "PATCH", "/"+id, newKeys("new")).want(t, 200)
	send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 403)
}

func TestTheListFiltersAndSorts(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	sim.Seed("bob", s3("zoo"))
	sim.Seed("ada", planettest.Destination{Name: "fox", Type: "google_cloud_storage", Parameters: map[string]any{"bucket": "b", "credentials": serviceAccount}})
	elk := s3("elk")
	elk.Default = true
	elkID := sim.Seed("ada", elk)
	owl := s3("owl")
	owl.Archived = true
	sim.Seed("ada", owl)
	sim.Seed("eve", s3("far"))
	sim.Rename(elkID, "ant") // moves updated only
	for query, want := range map[string]string{
		"":                                 "zoo fox ant",
		"?archived=true":                   "zoo fox ant owl",
		"?archived=false":                  "zoo fox ant",
		"?is_owner=true":                   "fox ant",
		"?is_owner=false":                  "zoo",
		"?can_write=true&archived=true":    "fox ant owl",
		"?can_write=false":                 "zoo",
		"?is_default=true":                 "ant",
		"?is_default=false":                "zoo fox",
		"?sort_by=name":                    "ant fox zoo",
		"?sort_by=type":                    "zoo ant fox",
		"?sort_by=created":                 "zoo fox ant",
		"?sort_by=updated&archived=true":   "zoo fox owl ant",
		"?is_owner=true&is_default=false":  "fox",
		"?something_else=1&sort_by=name":   "ant fox zoo",
		"?is_owner=false&can_write=true":   "",
		"?archived=true&sort_by=name&a=%5": "error",
		"?archived=yes":                    "error",
		"?is_owner=":                       "error",
		"?can_write=true&can_write=false":  "error",
		"?sort_by=id":                      "error",
	} {
		if want == "error" {
			send(t, sim, "ada", "GET", "/"+query, "").want(t, 400)
			continue
		}
		got := send(t, sim, "ada", "GET", query, "").want(t, 200)
		if got.names() != want {
			t.Errorf("the list %q is %q, want %q", query, got.names(), want)
		}
	}
	if links := send(t, sim, "ada", "GET", "", "").body["_links"]; !cmp.Equal(links, map[string]any{"_self": base}) {
		t.Errorf("the list's links are %v", links)
	}
}

func TestNamesAreUniqueInAnOrganization(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	other := sim.Seed("bob", s3("other"))
	create := `{"name":"demo","type":"google_cloud_storage","parameters":{"bucket":"b","credentials":"` + serviceAccount + `"}}`
	send(t, sim, "bob", "POST", "/", create).want(t, http.StatusConflict)
	send(t, sim, "bob", "PATCH", "/"+other, `{"name":"demo"}`).want(t, http.StatusConflict)
	send(t, sim, "ada", "PATCH", "/"+id, `{"name":"demo"}`).want(t, 200)
	send(t, sim, "eve", "POST", "/", create).want(t, 201)
	sim.Archive(id, true)
	send(t, sim, "bob", "POST", "/", create).want(t, http.StatusConflict)
	sim.Remove(id)
	send(t, sim, "bob", "POST", "/", create).want(t, 201)
}

func TestTheQuotaIsAnOrganizationsAndLeavesOutTheArchived(t *testing.T) {
	sim := newSim(t, planettest.Options{Quota: 2})
	create := func(user, name string) answer {
		return send(t, sim, user, "POST", "/", `{"name":"`+name+`","type":"azure_blob_storage","parameters":{"account":"a","container":"c","sas_token":"t"}}`)
	}
	first := create("ada", "one").want(t, 201).text("id")
	create("bob", "two").want(t, 201)
	create("ada", "three").want(t, 400)
	create("eve", "one").want(t, 201)
	send(t, sim, "ada", "PATCH", "/"+first, `{"archive":true}`).want(t, 200)
	create("ada", "three").want(t, 201)
	send(t, sim, "ada", "PATCH", "/"+first, `{"archive":false}`).want(t, 400)
}

func TestFiftyIsTheQuotaUnlessSaid(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	for i := range 50 {
		sim.Seed("ada", s3(fmt.Sprintf("name-%d", i)))
	}
	send(t, sim, "ada", "POST", "/", `{"name":"one-more","type":"azure_blob_storage","parameters":{"account":"a","container":"c","sas_token":"t"}}`).want(t, 400)
}

func TestArchivingIsATimestampThatComesAndGoes(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	got := send(t, sim, "ada", "PATCH", "/"+id, `{"archive":true}`).want(t, 200)
	at, err := time.Parse(time.RFC3339Nano, got.text("archived"))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("archived is %q", got.text("archived"))
	}
	again := send(t, sim, "ada", "PATCH", "/"+id, `{"archive":true}`).want(t, 200)
	if again.text("archived") != got.text("archived") {
		t.Error("archiving again moved the timestamp")
	}
	send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
	if back := send(t, sim, "ada", "PATCH", "/"+id, `{"archive":false}`).want(t, 200); back.body["archived"] != nil {
		t.Errorf("unarchived, yet archived is %v", back.body["archived"])
	}
}

func TestTheDefaultIsTheAdmins(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	send(t, sim, "ada", "GET", "/default", "").want(t, 404)
	send(t, sim, "root", "DELETE", "/default", "").want(t, 404)
	set := `{"destination_id":"` + id + `"}`
	if got := send(t, sim, "ada", "PUT", "/default", set).want(t, 401); got.text("message") != "Insufficient permissions" {
		t.Errorf("the message is %q", got.text("message"))
	}
	if got := send(t, sim, "root", "PUT", "/default", set).want(t, 200); got.body["default"] != true {
		t.Error("the answer does not show the default")
	}
	if got := send(t, sim, "bob", "GET", "/default/", "").want(t, 200); got.text("id") != id {
		t.Errorf("the default is %q", got.text("id"))
	}
	send(t, sim, "eve", "GET", "/default", "").want(t, 404)
	send(t, sim, "ada", "DELETE", "/default", "").want(t, 401)
	if got := send(t, sim, "root", "DELETE", "/default", "").want(t, 204); got.raw != "" {
		t.Errorf("the 204 has a body: %q", got.raw)
	}
	send(t, sim, "ada", "GET", "/default", "").want(t, 404)
	send(t, sim, "root", "PUT", "/default", `{"destination_id":"nobody"}`).want(t, 404)
	for _, body := range []string{``, `{}`, `{"destination_id":1}`, `{"destination_id":"` + id + `","x":1}`, `{"id":"` + id + `"}`} {
		send(t, sim, "root", "PUT", "/default", body).want(t, 400)
	}
	send(t, sim, "root", "PUT", "/default", `{"destination_id":"pl:destinations/`+id+`"}`).want(t, 404)
	sim.Archive(id, true)
	send(t, sim, "root", "PUT", "/default", set).want(t, 400)
}
