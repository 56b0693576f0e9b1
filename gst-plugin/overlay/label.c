/* What a label says. */
#include "label.h"

#include <string.h>

typedef char *(*Tell) (const GstDefcnObject *object);

/* A part of a word: a field, or text. */
typedef struct
{
  Tell tell;  /* NULL: text */
  char *text; /* with the blanks before it */
  gboolean starts_word;
} Part;

struct _GstDefcnLabel
{
  GArray *parts; /* Part */
};

/* (transfer full) (nullable): what there is to tell. */

static char *
tell_label (const GstDefcnObject *o)
{
  return g_strdup (o->label ? g_quark_to_string (o->label) : "?");
}

static char *
tell_class (const GstDefcnObject *o)
{
  return o->label_id < 0 ? NULL : g_strdup_printf ("%d", o->label_id);
}

static char *
tell_confidence (const GstDefcnObject *o)
{
  return o->confidence >= 0 ? g_strdup_printf ("%.2f", o->confidence) : NULL;
}

static char *
tell_id (const GstDefcnObject *o)
{
  return o->track.id ? g_strdup_printf ("%" G_GINT64_FORMAT, o->track.id)
                     : NULL;
}

static char *
tell_age (const GstDefcnObject *o)
{
  if (!o->track.state)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT,
      (guint64) (o->track.age / GST_SECOND));
}

static char *
tell_state (const GstDefcnObject *o)
{
  return g_strdup (g_quark_to_string (o->track.state));
}

static char *
tell_detector (const GstDefcnObject *o)
{
  return g_strdup (g_quark_to_string (o->detector));
}

static const struct
{
  const char *name;
  Tell tell;
} fields[] = {
  { "label", tell_label },
  { "class", tell_class },
  { "confidence", tell_confidence },
  { "id", tell_id },
  { "age", tell_age },
  { "state", tell_state },
  { "detector", tell_detector },
};

static gboolean refuse (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "label-format: %s.", text);
  return FALSE;
}

static void
part_clear (gpointer data)
{
  g_free (((Part *) data)->text);
}

static Tell
find_field (const char *name, gsize len)
{
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strlen (fields[i].name) == len
        && strncmp (fields[i].name, name, len) == 0)
      return fields[i].tell;
  return NULL;
}

/* "{name}" at *@at, which goes behind it. */
static gboolean
take_field (const char **at, Part *part, GError **error)
{
  const char *name = *at + 1;
  const gsize len = strcspn (name, "{} ");

  if (name[len] != '}')
    return refuse (error, "\"%s\" has no closing brace", *at);
  part->tell = find_field (name, len);
  if (!part->tell)
    return refuse (error,
        "there is no field \"%.*s\": it is one of label, class, confidence, "
        "id, age, state, detector",
        (int) len, name);
  *at = name + len + 1;
  return TRUE;
}

/* Blanks and then text without any, braces once. */
static gboolean
take_text (const char **at, Part *part, GError **error)
{
  GString *text = g_string_new (NULL);
  const char *c = *at;

  for (; *c == ' '; c++)
    g_string_append_c (text, *c);
  for (; *c && *c != ' '; c++) {
    if (*c == '{' && c[1] != '{')
      break;
    if (*c == '}' && c[1] != '}') {
      g_string_free (text, TRUE);
      return refuse (error, "\"%s\" has a brace that nothing opens", c);
    }
    if (*c == '{' || *c == '}')
      c++;
    g_string_append_c (text, *c);
  }
  part->text = g_string_free (text, FALSE);
  *at = c;
  return TRUE;
}

static gboolean
parse (GArray *parts, const char *format, GError **error)
{
  if (!g_utf8_validate (format, -1, NULL))
    return refuse (error, "it is no UTF-8");
  for (const char *c = format; *c; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      return refuse (error, "it has a control character");
  for (const char *at = format; *at;) {
    Part part = { .starts_word = at == format || *at == ' ' };
    const gboolean is_field = *at == '{' && at[1] != '{';

    if (!(is_field ? take_field : take_text) (&at, &part, error))
      return FALSE;
    g_array_append_val (parts, part);
  }
  return TRUE;
}

static void
label_clear (gpointer data)
{
  g_array_unref (((GstDefcnLabel *) data)->parts);
}

GstDefcnLabel *
gst_defcn_label_new (const char *format, GError **error)
{
  g_autoptr (GstDefcnLabel) label = g_atomic_rc_box_new0 (GstDefcnLabel);

  label->parts = g_array_new (FALSE, FALSE, sizeof (Part));
  g_array_set_clear_func (label->parts, part_clear);
  return parse (label->parts, format, error) ? g_steal_pointer (&label) : NULL;
}

GstDefcnLabel *
gst_defcn_label_ref (GstDefcnLabel *label)
{
  return g_atomic_rc_box_acquire (label);
}

void
gst_defcn_label_unref (GstDefcnLabel *label)
{
  g_atomic_rc_box_release_full (label, label_clear);
}

/* The blanks before the first word that is told are of one that is not. */
static char *
tell_part (const Part *part, const GstDefcnObject *object, gboolean is_first)
{
  const char *text = part->text;

  if (part->tell)
    return part->tell (object);
  if (is_first && part->starts_word)
    text += strspn (text, " ");
  return g_strdup (text);
}

void
gst_defcn_label_pieces (const GstDefcnLabel *label,
    const GstDefcnObject *object, GPtrArray *pieces)
{
  const Part *parts = (const Part *) label->parts->data;
  const guint first = pieces->len;
  guint word = first; /* where it begins */
  gboolean known = TRUE;

  for (guint i = 0; i < label->parts->len; i++) {
    g_autofree char *piece = NULL;

    if (parts[i].starts_word) {
      word = pieces->len;
      known = TRUE;
    }
    if (!known)
      continue;
    piece = tell_part (&parts[i], object, pieces->len == first);
    if (!piece) {
      known = FALSE;
      g_ptr_array_set_size (pieces, (int) word);
    } else if (*piece) {
      g_ptr_array_add (pieces, g_steal_pointer (&piece));
    }
  }
}
