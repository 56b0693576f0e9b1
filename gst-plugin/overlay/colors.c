/* Which colour an object has. */
#include "colors.h"

#include <string.h>

#include "list.h"

#define UNTRACKED 0xb0b0b0

GType
gst_defcn_color_by_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_DEFCN_COLOR_BY_CLASS, "A colour for each class", "class" },
    { GST_DEFCN_COLOR_BY_ID, "A colour for each track", "id" },
    { 0, NULL, NULL },
  };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnColorBy", values));
  return type;
}

/* Bright colours that differ for neighbours. */
static guint32
bright (guint64 n)
{
  static const guint32 colors[] = { 0x2ecc40, 0xff4136, 0x0074d9, 0xff851b,
    0xb10dc9, 0x39cccc, 0xf012be, 0xffdc00, 0x01ff70, 0x7fdbff };

  return colors[n % G_N_ELEMENTS (colors)];
}

static gboolean
find_class (const GstDefcnColors *colors, const GstDefcnObject *object,
    guint32 *color)
{
  gpointer found;

  if (!colors->classes || !object->label
      || !g_hash_table_lookup_extended (colors->classes,
          g_quark_to_string (object->label), NULL, &found))
    return FALSE;
  *color = GPOINTER_TO_UINT (found);
  return TRUE;
}

guint32
gst_defcn_colors_of (const GstDefcnColors *colors, const GstDefcnObject *object)
{
  guint32 color;

  if (colors->color)
    return colors->color;
  if (find_class (colors, object, &color))
    return color;
  if (colors->by == GST_DEFCN_COLOR_BY_CLASS)
    return bright (MAX (object->label_id, 0));
  return object->track.id > 0 ? bright (object->track.id) : UNTRACKED;
}

/* By the luma of the colour. */
guint32
gst_defcn_colors_ink (guint32 rgb)
{
  const guint luma =
      299 * (rgb >> 16 & 255) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255);

  return luma < 110 * 1000 ? 0xffffff : 0x000000;
}

/* "NAME=0xRRGGBB" or "NAME=#RRGGBB", with blanks around either. */
static gboolean
add_class (GHashTable *classes, char *item)
{
  char *equals = strrchr (item, '=');
  const char *digits;
  guint64 color;

  if (!equals)
    return FALSE;
  *equals = '\0';
  g_strstrip (item);
  digits = g_strstrip (equals + 1);
  if (g_str_has_prefix (digits, "0x"))
    digits += 2;
  else if (*digits == '#')
    digits += 1;
  else
    return FALSE;
  if (!*item || strlen (digits) != 6
      || !g_ascii_string_to_unsigned (digits, 16, 0, 0xffffff, &color, NULL))
    return FALSE;
  g_hash_table_insert (classes, g_strdup (item), GUINT_TO_POINTER (color));
  return TRUE;
}

GHashTable *
gst_defcn_colors_parse (const char *text, GError **error)
{
  g_autoptr (GHashTable) classes =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) items = text ? gst_defcn_list_split (text) : NULL;

  for (char **item = items; item && *item; item++) {
    g_autofree char *shown = g_utf8_make_valid (*item, -1);

    if (add_class (classes, *item))
      continue;
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "class-colors: \"%s\" is no class and its colour, as person=0xff0000.",
        shown);
    return NULL;
  }
  return g_steal_pointer (&classes);
}
