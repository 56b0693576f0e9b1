/* What labels of defcnoverlay say, and which colours things have. */
#include "rig.h"

#include <string.h>

#include "overlay/colors.h"
#include "overlay/label.h"

static GstDefcnObject
object_of (const char *label)
{
  return (GstDefcnObject){ 0.1, 0.1, 0.5, 0.5, 0.876, 3,
    label ? g_quark_from_string (label) : 0,
    .detector = g_quark_from_static_string ("detect0"),
    .track = { 12, g_quark_from_static_string ("confirmed"),
        .age = 7 * GST_SECOND + 999 * GST_MSECOND } };
}

static char *
text_of (const char *format, const GstDefcnObject *object)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstDefcnLabel) label = gst_defcn_label_new (format, &error);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);

  g_assert_no_error (error);
  g_ptr_array_add (pieces, g_strdup (">"));
  gst_defcn_label_pieces (label, object, pieces);
  g_ptr_array_add (pieces, NULL);
  return g_strjoinv ("|", (char **) pieces->pdata);
}

/* Every field is what it says, in pieces of its own. */
static void
test_fields (void)
{
  static const struct
  {
    const char *format, *text;
  } cases[] = {
    { GST_DEFCN_LABEL_DEFAULT, ">|#|12| |person| |0.88" },
    { "{label} {confidence} #{id} {age}s", ">|person| |0.88| #|12| |7|s" },
    { "{class}", ">|3" },
    { "{state} {detector}", ">|confirmed| |detect0" },
    { "{id}{id}", ">|12|12" },
    { "just text", ">|just| text" },
    { "{{{id}}}", ">|{|12|}" },
    { "{{id}}", ">|{id}" },
    { "  {label}  x ", ">|person|  x| " },
    { "", ">" },
    { "<b>{label}</b>&amp;", ">|<b>|person|</b>&amp;" },
    { "\xe4\xba\xba {label}", ">|\xe4\xba\xba| |person" },
  };
  const GstDefcnObject object = object_of ("person");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = text_of (cases[i].format, &object);

    g_test_message ("%s", cases[i].format);
    g_assert_cmpstr (text, ==, cases[i].text);
  }
}

/* A word of which a field is not known is left out, the words beside it stay;
 * a class without a name is a question mark. */
static void
test_unknown (void)
{
  static const struct
  {
    const char *format, *text;
  } cases[] = {
    { GST_DEFCN_LABEL_DEFAULT, ">|?" },
    { "{label} {confidence} #{id} {age}s", ">|?" },
    { "{label} conf={confidence}! end", ">|?| end" },
    { "id:{id}", ">" },
    { "a{id}b{label} c", ">|c" },
    { "{class} {state} {detector} x", ">|x" },
    { "{label}#{id}", ">" },
    { "{id}  {label}", ">|?" },
  };
  const GstDefcnObject nothing = { 0.1, 0.1, 0.5, 0.5, -1, -1, 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = text_of (cases[i].format, &nothing);

    g_test_message ("%s", cases[i].format);
    g_assert_cmpstr (text, ==, cases[i].text);
  }
}

/* What is found without a doubt, and with none at all; a track as old as can
 * be, and one that has no id yet, of which the age is known. */
static void
test_extremes (void)
{
  GstDefcnObject o = object_of ("x");

  for (int i = 0; i < 2; i++) {
    g_autofree char *text = NULL;

    o.confidence = i;
    o.track.id = i ? G_MAXINT64 : 0;
    o.track.age = i ? G_MAXUINT64 : 0;
    text = text_of ("{confidence} {id} {age}", &o);
    g_assert_cmpstr (text, ==,
        i ? ">|1.00| |9223372036854775807| |18446744073" : ">|0.00| |0");
  }
}

/* A format that is none is refused, and the error names what is wrong. */
static void
test_refused_formats (void)
{
  static const struct
  {
    const char *format, *word;
  } cases[] = {
    { "{name}", "\"name\"" },
    { "{}", "\"\"" },
    { "{Label}", "\"Label\"" },
    { "{label", "closing" },
    { "{label {id}", "closing" },
    { "x {", "closing" },
    { "label}", "nothing opens" },
    { "a\nb", "control" },
    { "a\tb", "control" },
    { "\xff", "UTF-8" },
    { "{label}\xe4", "UTF-8" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("case %u", i);
    g_assert_null (gst_defcn_label_new (cases[i].format, &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_true (g_str_has_prefix (error->message, "label-format: "));
    g_assert_nonnull (strstr (error->message, cases[i].word));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
}

/* Colours of classes, as they may be written. */
static void
test_class_colors (void)
{
  static const struct
  {
    const char *text, *label;
    int color; /* -1: none */
  } cases[] = {
    { NULL, "person", -1 },
    { "", "person", -1 },
    { "person=0xff0000", "person", 0xff0000 },
    { "person=#00fF01", "person", 0x00ff01 },
    { " person = 0x000001 , car=#abcdef", "person", 1 },
    { " person = 0x000001 , car=#abcdef", "car", 0xabcdef },
    { "person=0x000000", "person", 0 },
    { "person=#000001,person=#000002", "person", 2 },
    { "a=b=#000001", "a=b", 1 },
    { "truck\\, heavy=#000003", "truck, heavy", 3 },
    { "person=#000001", "Person", -1 },
    { "person=#000001", "perso", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GHashTable) classes =
        gst_defcn_colors_parse (cases[i].text, &error);
    const GstDefcnColors colors = { 0, classes, GST_DEFCN_COLOR_BY_ID };
    GstDefcnObject o = object_of (cases[i].label);

    g_test_message ("case %u", i);
    g_assert_no_error (error);
    o.track.id = 0;
    g_assert_cmphex (gst_defcn_colors_of (&colors, &o), ==,
        cases[i].color < 0 ? 0xb0b0b0u : (guint) cases[i].color);
  }
}

/* What is no class with its colour is refused, and named. */
static void
test_refused_colors (void)
{
  static const char *const cases[] = { "person", "person=", "person=red",
    "person=0xff00", "person=0xff00000", "person=ff0000", "=0xff0000",
    "person=#ff00g0", "person=0x-00001", "person=# ff000", "a=#000001,",
    "a=#000001,,b=#000002", "\xff=1" };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("case %u", i);
    g_assert_null (gst_defcn_colors_parse (cases[i], &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_true (g_str_has_prefix (error->message, "class-colors: \""));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
}

/* One colour for all goes before that of a class, that before those by class
 * or id; ten ids after each other differ. */
static void
test_order (void)
{
  g_autoptr (GHashTable) classes =
      gst_defcn_colors_parse ("person=#123456", NULL);
  GstDefcnColors colors = { 0xff0000, classes, GST_DEFCN_COLOR_BY_CLASS };
  const GstDefcnObject person = object_of ("person");
  GstDefcnObject car = object_of ("car"), other = car;
  guint32 by_class;

  g_assert_cmphex (gst_defcn_colors_of (&colors, &person), ==, 0xff0000);
  colors.color = 0;
  g_assert_cmphex (gst_defcn_colors_of (&colors, &person), ==, 0x123456);
  by_class = gst_defcn_colors_of (&colors, &car);
  other.track.id = 5;
  g_assert_cmphex (gst_defcn_colors_of (&colors, &other), ==, by_class);
  other.label_id = 4;
  g_assert_cmphex (gst_defcn_colors_of (&colors, &other), !=, by_class);
  colors.by = GST_DEFCN_COLOR_BY_ID;
  for (int i = 1; i < 10; i++) {
    car.track.id = 100;
    other.track.id = 100 + i;
    g_assert_cmphex (gst_defcn_colors_of (&colors, &other), !=,
        gst_defcn_colors_of (&colors, &car));
    other.label_id = i; /* of which it does not depend */
    car.track.id = 100 + i;
    g_assert_cmphex (gst_defcn_colors_of (&colors, &other), ==,
        gst_defcn_colors_of (&colors, &car));
  }
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/label/fields", test_fields);
  g_test_add_func ("/label/unknown", test_unknown);
  g_test_add_func ("/label/extremes", test_extremes);
  g_test_add_func ("/label/refused-formats", test_refused_formats);
  g_test_add_func ("/label/class-colors", test_class_colors);
  g_test_add_func ("/label/refused-colors", test_refused_colors);
  g_test_add_func ("/label/order", test_order);
  return rig_run ();
}
