#!/usr/bin/env bash
# What a rotation costs in a shell loop over curl, for the benchmark to compare with: find the destination,
# try the new key on the bucket (put, get, delete), give it to Planet, look for a leftover. No state is kept,
# nothing is tried again, no rate is kept to. Credentials go to curl on stdin, not on its command line.
#
# PLANET     base URL of the Destinations API     KEY_FILE   file with the API key
# BUCKET     URL of the bucket                    SECRETS    files with credentials, one for each of
#                                                 DESTINATIONS, ids
set -euo pipefail
key=$(<"$KEY_FILE")
read -r -a secrets <<<"$SECRETS"
read -r -a destinations <<<"$DESTINATIONS"

planet() { # URL ARGUMENTS
  curl --silent --show-error --fail --config - "$@" <<<"header = \"Authorization: api-key $key\""
}
s3() { # ARGUMENTS
  curl --silent --show-error --aws-sigv4 aws:amz:us-east-1:s3 --config - "$@" <<<"user = \"$id:$secret\""
}

for i in "${!destinations[@]}"; do
  value=$(<"${secrets[i]}")
  [[ $value =~ \"access_key_id\":\"([^\"]+)\",\"secret_access_key\":\"([^\"]+)\" ]]
  id=${BASH_REMATCH[1]} secret=${BASH_REMATCH[2]}
  list=$(planet "$PLANET")
  [[ $list == *"${destinations[i]}"* ]]

  object=$BUCKET/curl-loop-preflight
  s3 --fail --output /dev/null --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --request PUT --data-binary test "$object"
  [[ $(s3 --fail --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$object") == test ]]
  s3 --fail --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --request DELETE "$object"

  curl --silent --show-error --fail --output /dev/null --request PATCH --config - "$PLANET/${destinations[i]}" <<CONFIG
header = "Authorization: api-key $key"
header = "Content-Type: application/json"
data = "{\"parameters\":{\"access_key_id\":\"$id\",\"secret_access_key\":\"$secret\"}}"
CONFIG
  # 403 is what a key without list permission gets for what is not there.
  code=$(s3 --output /dev/null --write-out '%{http_code}' --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$BUCKET/planetverify.txt")
  [[ $code == 403 || $code == 404 ]]
done
