/* Names that have the name of the source in them. */
#include "topic.h"

#include <string.h>

#include "record.h"

#define PLACEHOLDER "{source}"
/* Of a source in a name, which may be a file's of 255 bytes with an ending. */
#define MAX_SOURCE 100
#define N_CHECKSUM 8

static const struct
{
  const char *what;
  gsize max;
} kinds[] = {
  [GST_DEFCN_TOPIC_MQTT] = { "topic of MQTT", 65535 },
  [GST_DEFCN_TOPIC_KAFKA] = { "topic of Kafka", 249 },
  [GST_DEFCN_TOPIC_PATH] = { "path", 4095 },
};

static gboolean
is_of_kafka (char c)
{
  return g_ascii_isalnum (c) || c == '.' || c == '_' || c == '-';
}

static gboolean
is_taken (GstDefcnTopicKind kind, const char *source, const char *at)
{
  const gunichar c = g_utf8_get_char (at);

  if (at == source && (c == '$' || c == '.'))
    return TRUE;
  return kind == GST_DEFCN_TOPIC_KAFKA ? !is_of_kafka (*at)
                                       : c == '/' || c == '+' || c == '#'
          || c == 0xfffd || g_unichar_iscntrl (c);
}

/* (transfer full): @source, valid UTF-8, as one level of a name. */
static char *
as_level (GstDefcnTopicKind kind, const char *source)
{
  GString *level = g_string_new (NULL);

  for (const char *at = source; *at; at = g_utf8_next_char (at))
    if (is_taken (kind, source, at))
      g_string_append_c (level, '_');
    else
      g_string_append_len (level, at, g_utf8_next_char (at) - at);
  if (level->len > MAX_SOURCE) {
    g_autofree char *sum =
        g_compute_checksum_for_string (G_CHECKSUM_SHA256, source, -1);
    const char *end = level->str + MAX_SOURCE - N_CHECKSUM - 1;

    end = g_utf8_find_prev_char (level->str, end + 1);
    g_string_truncate (level, (gsize) (end - level->str));
    g_string_append_printf (level, "-%.*s", N_CHECKSUM, sum);
  }
  return g_string_free (level, FALSE);
}

/* Why it is no name; NULL: it is one. */
static const char *
find_fault (GstDefcnTopicKind kind, const char *name)
{
  if (!*name)
    return "it is empty";
  if (strlen (name) > kinds[kind].max)
    return "it is too long";
  if (kind == GST_DEFCN_TOPIC_PATH)
    return NULL;
  if (!g_utf8_validate (name, -1, NULL))
    return "it is no valid UTF-8";
  if (kind == GST_DEFCN_TOPIC_MQTT)
    return strpbrk (name, "+#") ? "\"+\" and \"#\" are for subscribers" : NULL;
  for (const char *c = name; *c; c++)
    if (!is_of_kafka (*c))
      return "it may have A-Z, a-z, 0-9, \".\", \"_\" and \"-\" alone";
  return g_str_equal (name, ".") || g_str_equal (name, "..")
      ? "\".\" and \"..\" are none"
      : NULL;
}

char *
gst_defcn_topic_new (GstDefcnTopicKind kind, const char *template,
    const char *source, GError **error)
{
  g_autofree char *shown = NULL, *level = NULL, *shown_name = NULL;
  g_autoptr (GString) name = g_string_new (template);
  const char *fault;

  if (strstr (template, PLACEHOLDER)) {
    shown = gst_defcn_record_source (source);
    if (!shown || !*shown) {
      g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
          "\"%s\" wants the property \"source\", which is not set", template);
      return NULL;
    }
    level = as_level (kind, shown);
    g_string_replace (name, PLACEHOLDER, level, 0);
  }
  fault = find_fault (kind, name->str);
  if (!fault)
    return g_strdup (name->str);
  shown_name = g_utf8_make_valid (name->str, MIN (name->len, 100));
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "\"%s\" is no %s: %s", shown_name, kinds[kind].what, fault);
  return NULL;
}

gboolean
gst_defcn_topic_take_login_off (char *address)
{
  char *scheme = address ? strstr (address, "://") : NULL;
  char *host = scheme ? scheme + strlen ("://") : address;
  char *at = host ? strrchr (host, '@') : NULL;

  if (at)
    memmove (host, at + 1, strlen (at));
  return at != NULL;
}
