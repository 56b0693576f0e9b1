/* What the tests of defcnpublish share: frames with objects, and the JSON that
 * becomes of them. */
#pragma once

#include "rig.h"

#include <cjson/cJSON.h>

#define JSON_RIG_WIDTH 640
#define JSON_RIG_HEIGHT 480
#define JSON_RIG_CAPS                                                          \
  "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1"

/* defcnpublish started with "property=value;property=value", caps set;
 * @location may be NULL. */
GstHarness *json_rig_harness (const char *location, const char *properties);

/* An object of 320 x 240 pixels at 160, 240, label_id 2. */
GstDefcnObject json_rig_object (const char *label);
/* Frame number @i of 25 a second with @n @objects in custom metadata; @mark
 * NULL: no detector saw it. */
GstBuffer *json_rig_frame (guint i, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark);

/* Pushes @buffer, which must come out as it is. */
void json_rig_push (GstHarness *h, GstBuffer *buffer);
void json_rig_push_eos (GstHarness *h);

/* (transfer full) */
char *json_rig_contents (const char *path);

void json_rig_free (cJSON **json);
#define JSON_RIG_AUTO __attribute__ ((cleanup (json_rig_free))) cJSON

/* The records of @text, one a line, as an array; every line must end. */
cJSON *json_rig_parse_lines (const char *text);
/* The file is one array of @n records and nothing else. */
void json_rig_assert_array (const char *path, int n);

/* What is at "name.3.name"; NULL when nothing is. */
cJSON *json_rig_at (cJSON *json, const char *path);
/* The same; it must be there. */
double json_rig_number (cJSON *json, const char *path);
const char *json_rig_string (cJSON *json, const char *path);
