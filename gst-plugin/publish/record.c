/* One frame's detections as a JSON record. */
#include "record.h"

#include <math.h>
#include <string.h>

/* The shortest text that reads back to the same bits, of which cJSON's own may
 * lose the last; nothing for what JSON has no number for. */
static void
add_double (cJSON *object, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value))
    return;
  for (int digits = 15; digits <= 17; digits++) {
    char format[8];

    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (text, sizeof text, format, value);
    if (g_ascii_strtod (text, NULL) == value)
      break;
  }
  cJSON_AddRawToObject (object, name, text);
}

/* To the last digit, which a double loses beyond 2^53. */
static void
add_integer (cJSON *object, const char *name, guint64 value)
{
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, value);
  cJSON_AddRawToObject (object, name, text);
}

/* The region that the object was found in. */
static void
add_parent (cJSON *item, const GstDefcnObject *object)
{
  cJSON *parent = cJSON_AddObjectToObject (item, "parent");

  cJSON_AddNumberToObject (parent, "region_id", object->parent_id);
  if (object->parent)
    cJSON_AddStringToObject (parent, "roi_type",
        g_quark_to_string (object->parent));
}

static void
add_box (cJSON *item, const GstDefcnObject *object)
{
  cJSON *box = cJSON_AddObjectToObject (item, "bounding_box");

  add_double (box, "x_min", object->x_min);
  add_double (box, "x_max", object->x_max);
  add_double (box, "y_min", object->y_min);
  add_double (box, "y_max", object->y_max);
}

static cJSON *
object_to_json (const GstDefcnObject *object, int width, int height)
{
  const char *label = object->label ? g_quark_to_string (object->label) : "";
  const GstDefcnPixels p = gst_defcn_object_pixels (object, width, height);
  cJSON *item = cJSON_CreateObject ();
  cJSON *detection = cJSON_AddObjectToObject (item, "detection");

  add_box (detection, object);
  if (object->confidence >= 0)
    add_double (detection, "confidence", object->confidence);
  cJSON_AddStringToObject (detection, "label", label);
  if (object->label_id >= 0)
    cJSON_AddNumberToObject (detection, "label_id", object->label_id);
  if (object->detector)
    cJSON_AddStringToObject (item, "detector",
        g_quark_to_string (object->detector));
  cJSON_AddNumberToObject (item, "h", p.h);
  if (object->track.id > 0) {
    add_integer (item, "id", (guint64) object->track.id);
    add_integer (item, "object_id", (guint64) object->track.id);
  }
  if (object->parent_id || object->parent) /* the first ODMtd is number 0 */
    add_parent (item, object);
  if (object->id >= 0)
    cJSON_AddNumberToObject (item, "region_id", object->id);
  cJSON_AddStringToObject (item, "roi_type", label);
  cJSON_AddNumberToObject (item, "w", p.w);
  cJSON_AddNumberToObject (item, "x", p.x);
  cJSON_AddNumberToObject (item, "y", p.y);
  return item;
}

static void
add_time (cJSON *object, const char *name, GstClockTime time)
{
  if (GST_CLOCK_TIME_IS_VALID (time))
    add_integer (object, name, time);
}

static void
add_text (cJSON *object, const char *name, const char *text)
{
  if (text && *text)
    cJSON_AddStringToObject (object, name, text);
}

/* The "@" behind the user and the password of an address that goes on with
 * @text, NULL: there are none.  A password may have been written with "/", "?"
 * or "#" as they are, before which there is then no port. */
static const char *
end_of_login (const char *text)
{
  const gsize n = strcspn (text, "/?#");
  const char *at = g_strrstr_len (text, (gssize) n, "@");
  const char *colon = memchr (text, ':', n);
  gsize port;

  if (at || !colon || *text == '[')
    return at;
  port = strspn (colon + 1, "0123456789");
  return port > 0 && colon + 1 + port == text + n ? NULL : strrchr (text, '@');
}

/* (transfer full): @text with "..." for what cameras take as a user or a
 * password in the query, or in a folder, of their address. */
static char *
without_credentials (const char *text)
{
  static GRegex *named = NULL;

  if (g_once_init_enter (&named))
    g_once_init_leave (&named,
        g_regex_new ("((?:user|usr|user_?name|login|pass|pass_?wd|pass_?word|"
                     "pwd|token|secret)=)[^/?&;#]*",
            G_REGEX_CASELESS | G_REGEX_RAW | G_REGEX_OPTIMIZE, 0, NULL));
  return g_regex_replace (named, text, -1, 0, "\\1...", 0, NULL);
}

/* Records are kept, and go to others. */
char *
gst_defcn_record_source (const char *source)
{
  const char *scheme = source ? strstr (source, "://") : NULL;
  const char *host = scheme ? scheme + strlen ("://") : source;
  const char *at = scheme ? end_of_login (host) : NULL;
  const char *rest = at ? at + 1 : host;
  g_autofree char *hidden =
      scheme && strchr (rest, '=') ? without_credentials (rest) : NULL;
  g_autofree char *shown = NULL;

  if (!source)
    return NULL;
  shown = g_strdup_printf ("%.*s%s", (int) (host - source), source,
      hidden ? hidden : rest);
  return g_utf8_make_valid (shown, -1);
}

void
gst_defcn_record_hide_login (char **source)
{
  g_autofree char *given = *source;

  *source = gst_defcn_record_source (given);
}

static void
add_source (cJSON *object, const char *source)
{
  g_autofree char *shown = gst_defcn_record_source (source);

  if (shown)
    cJSON_AddStringToObject (object, "source", shown);
}

static void
add_mark (cJSON *object, const GstDefcnMark *mark)
{
  cJSON_AddBoolToObject (object, "inferred", mark->inferred);
  if (mark->lost)
    cJSON_AddNumberToObject (object, "lost", mark->lost);
  if (!mark->inferred)
    cJSON_AddStringToObject (object, "reason", mark->reason);
  else if (mark->lost)
    cJSON_AddStringToObject (object, "reason", "lost");
  cJSON_AddBoolToObject (object, "fresh", mark->fresh);
  if (mark->repeated)
    cJSON_AddBoolToObject (object, "repeated", TRUE);
  if (mark->predicted)
    cJSON_AddBoolToObject (object, "predicted", TRUE);
  add_time (object, "inferred_timestamp", mark->timestamp);
}

static void
add_counts (cJSON *object, const GstDefcnSceneCount *count, gboolean is_line)
{
  if (is_line) {
    add_integer (object, "forward", count->forward);
    add_integer (object, "backward", count->backward);
    return;
  }
  add_integer (object, "occupancy", count->occupancy);
  add_integer (object, "entered", count->entered);
  add_integer (object, "left", count->left);
  add_integer (object, "dwell_mean", count->dwell_mean);
  add_integer (object, "dwell_max", count->dwell_max);
}

static const char *
text_of (GQuark text)
{
  return text ? g_quark_to_string (text) : "";
}

static void
add_places (cJSON *object, const GArray *places)
{
  cJSON *array = cJSON_AddArrayToObject (object, "places");

  for (guint i = 0; i < places->len; i++) {
    const GstDefcnScenePlace *p =
        &g_array_index (places, GstDefcnScenePlace, i);
    cJSON *place = cJSON_CreateObject ();
    cJSON *classes;

    cJSON_AddStringToObject (place, "name", text_of (p->name));
    cJSON_AddStringToObject (place, "kind", p->is_line ? "line" : "zone");
    add_counts (place, &p->all, p->is_line);
    classes = cJSON_AddArrayToObject (place, "classes");
    for (guint k = 0; k < p->classes->len; k++) {
      const GstDefcnSceneCount *count =
          &g_array_index (p->classes, GstDefcnSceneCount, k);
      cJSON *class = cJSON_CreateObject ();

      cJSON_AddStringToObject (class, "label", text_of (count->label));
      add_counts (class, count, p->is_line);
      cJSON_AddItemToArray (classes, class);
    }
    cJSON_AddItemToArray (array, place);
  }
}

static cJSON *
event_to_json (const GstDefcnSceneEvent *event)
{
  const GstDefcnObject *o = &event->object;
  cJSON *item = cJSON_CreateObject ();

  cJSON_AddStringToObject (item, "type", text_of (event->type));
  cJSON_AddStringToObject (item, "place", text_of (event->place));
  add_text (item, "direction", text_of (event->direction));
  add_text (item, "reason", text_of (event->reason));
  add_time (item, "dwell", event->dwell);
  if (o->track.id > 0)
    add_integer (item, "object_id", (guint64) o->track.id);
  cJSON_AddStringToObject (item, "label", text_of (o->label));
  if (o->label_id >= 0)
    cJSON_AddNumberToObject (item, "label_id", o->label_id);
  if (o->confidence >= 0)
    add_double (item, "confidence", o->confidence);
  if (o->x_min < o->x_max)
    add_box (item, o);
  if (o->track.predicted)
    cJSON_AddBoolToObject (item, "predicted", TRUE);
  return item;
}

static void
add_scene (cJSON *object, const GstDefcnRecord *record)
{
  if (record->places && record->places->len)
    add_places (object, record->places);
  if (record->events && record->events->len) {
    cJSON *array = cJSON_AddArrayToObject (object, "events");

    for (guint i = 0; i < record->events->len; i++)
      cJSON_AddItemToArray (array,
          event_to_json (
              &g_array_index (record->events, GstDefcnSceneEvent, i)));
  }
}

/* What holds of a frame as a whole. */
static GstDefcnMark
sum_of_marks (const GArray *marks)
{
  GstDefcnMark sum = { .inferred = TRUE, .timestamp = GST_CLOCK_TIME_NONE };

  for (guint i = 0; i < marks->len; i++) {
    const GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);

    if (sum.inferred && !mark->inferred)
      sum.reason = mark->reason;
    sum.inferred &= mark->inferred;
    sum.fresh |= mark->fresh;
    sum.repeated |= mark->repeated;
    sum.predicted |= mark->predicted;
    sum.lost += mark->lost;
    sum.timestamp = MIN (sum.timestamp, mark->timestamp);
  }
  return sum;
}

static void
add_marks (cJSON *object, const GArray *marks)
{
  const GstDefcnMark sum = sum_of_marks (marks);
  cJSON *array;

  add_mark (object, &sum);
  array = cJSON_AddArrayToObject (object, "detectors");
  for (guint i = 0; i < marks->len; i++) {
    const GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);
    cJSON *detector = cJSON_CreateObject ();

    add_text (detector, "name", mark->detector);
    add_text (detector, "model", mark->model_name);
    add_text (detector, "model_hash", mark->model);
    add_mark (detector, mark);
    cJSON_AddItemToArray (array, detector);
  }
}

static void
add_times (cJSON *object, const GstDefcnRecord *record)
{
  add_time (object, "timestamp", record->timestamp);
  add_time (object, "pts", record->pts);
  add_integer (object, "frame", record->frame);
  add_integer (object, "seq", record->seq);
  add_text (object, "timestamp_utc", record->utc);
  add_text (object, "capture_utc", record->captured);
}

/* The text that @printed is with @indent spaces for each level: cJSON indents
 * with tabs, has one after each colon, and escapes those in strings. */
static char *
indent_by (const char *printed, int indent)
{
  GString *text = g_string_new (NULL);

  for (const char *c = printed; *c; c++) {
    if (*c != '\t')
      g_string_append_c (text, *c);
    else if (c[-1] == ':')
      g_string_append_c (text, ' ');
    else
      g_string_append_printf (text, "%*s", indent, "");
  }
  return g_string_free (text, FALSE);
}

/* The text that @json is where a terminal would take a character for a command,
 * those of C0 being escaped already: DEL and C1. */
static char *
escape_controls (const char *json)
{
  GString *text = g_string_new (NULL);

  for (const char *c = json; *c; c++)
    if (*c == '\x7f')
      g_string_append (text, "\\u007f");
    else if ((guchar) *c == 0xc2 && (guchar) c[1] < 0xa0)
      g_string_append_printf (text, "\\u%04x", (guchar) * ++c);
    else
      g_string_append_c (text, *c);
  return g_string_free (text, FALSE);
}

char *
gst_defcn_record_to_json (const GstDefcnRecord *record, const GArray *objects,
    int indent)
{
  cJSON *object = cJSON_CreateObject ();
  cJSON *array = cJSON_AddArrayToObject (object, "objects");
  cJSON *resolution;

  for (guint i = 0; i < objects->len; i++)
    cJSON_AddItemToArray (array,
        object_to_json (&g_array_index (objects, GstDefcnObject, i),
            record->width, record->height));
  resolution = cJSON_AddObjectToObject (object, "resolution");
  cJSON_AddNumberToObject (resolution, "width", record->width);
  cJSON_AddNumberToObject (resolution, "height", record->height);
  add_source (object, record->source);
  if (record->tags)
    cJSON_AddRawToObject (object, "tags", record->tags);
  add_times (object, record);
  if (record->marks->len)
    add_marks (object, record->marks);
  add_scene (object, record);
  cJSON_AddNumberToObject (object, "schema", GST_DEFCN_RECORD_SCHEMA);

  g_autofree char *valid = NULL, *escaped = NULL;
  char *text =
      indent < 0 ? cJSON_PrintUnformatted (object) : cJSON_Print (object);

  cJSON_Delete (object);
  /* Properties may be in any encoding; JSON is UTF-8. */
  valid = g_utf8_make_valid (text, -1);
  cJSON_free (text);
  escaped = escape_controls (valid);
  return indent < 0 ? g_steal_pointer (&escaped) : indent_by (escaped, indent);
}
