#!/usr/bin/env bash
# Detections of a file to a broker of MQTT, a record for every frame, as fast as
# possible:
#   pipelines/mqtt.sh FILE BROKER [TOPIC]
# BROKER is HOST, HOST:PORT, mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT;
# TOPIC defcn/NAME without one, of the file's name.  MQTT_USERNAME,
# MQTT_PASSWORD_FILE and MQTT_CA_FILE say what their names say.  To look at it:
#   mosquitto_sub -h HOST -t 'defcn/#' -v
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -eq 2 ] || [ $# -eq 3 ] || {
  echo "usage: mqtt.sh FILE BROKER [TOPIC]" >&2
  exit 2
}
publish=(method=mqtt address="$(quote "$2")"
  source="$(quote "$(basename -- "$1")")")
[ $# -lt 3 ] || publish+=(topic="$(quote "$3")")
[ -z "${MQTT_USERNAME:-}" ] ||
  publish+=(username="$(quote "$MQTT_USERNAME")")
[ -z "${MQTT_PASSWORD_FILE:-}" ] ||
  publish+=(password-file="$(quote "$MQTT_PASSWORD_FILE")")
[ -z "${MQTT_CA_FILE:-}" ] || publish+=(ca-file="$(quote "$MQTT_CA_FILE")")

# With -q nobody would hear that the broker refuses, or is not there.
exec gst-launch-1.0 filesrc location="$(quote "$1")" ! decodebin \
  ! defcndetect model="$(quote "$model")" \
  ! defcnpublish "${publish[@]}" add-empty-results=true \
  ! fakesink sync=false
