/* Where in a checkpoint the weights are; numbers stand for tensors here. */
#include "import/pickle.h"
#include "import/state.h"

#include <string.h>

static gboolean
is_number (const DefcnPickleValue *value)
{
  return value && value->type == DEFCN_PICKLE_INT;
}

/* Appends @text, a dict or list in a short form: {a 1 b {..} c [1 {..}]}, as a
 * pickle. */
static const char *
put (GString *pickle, const char *text)
{
  const char end = *text == '[' ? ']' : '}'; /* a list has no keys */

  g_string_append (pickle, end == ']' ? "](" : "}(");
  for (text++; *text != end;) {
    const gsize len = end == ']' ? 0 : strcspn (text, " ");

    if (end == '}') {
      g_string_append_printf (pickle, "V%.*s\n", (int) len, text);
      text += len + 1;
    }
    if (*text == '{' || *text == '[') {
      text = put (pickle, text);
    } else if (*text == 'N') {
      g_string_append_c (pickle, 'N');
      text++;
    } else {
      g_string_append_printf (pickle, "I%c\n", *text++);
    }
    text += *text == ' ';
  }
  g_string_append_c (pickle, end == ']' ? 'e' : 'u');
  return text + 1;
}

static DefcnPickle *
parse (GString *bytes, const char *text)
{
  g_autoptr (GError) error = NULL;

  put (bytes, text);
  g_string_append_c (bytes, '.');
  DefcnPickle *pickle = defcn_pickle_parse ((const guint8 *) bytes->str,
      bytes->len, NULL, "x", &error);
  g_assert_no_error (error);
  return pickle;
}

/* The dict of most tensors, at any depth; averages by choice, optimizers
 * never. */
static void
test_find (void)
{
  static const struct
  {
    const char *text, *place, *averaged; /* "-": none */
  } cases[] = {
    { "{a 1 b 2}", NULL, NULL },
    { "{}", "-", "-" },
    { "{a N}", "-", "-" },
    { "{model {a 1}}", "model", "model" },
    { "{model_state_dict {a 1} epoch 3 lr 1}", NULL, NULL },
    { "{model_state_dict {a 1 b 1 c 1} epoch 3 lr 1}", "model_state_dict",
        "model_state_dict" },
    { "{x {y {net {a 1 b 2}}}}", "x.y.net", "x.y.net" },
    { "{model {a 1 b 2} model_ema {a 1 b 2}}", "model", "model_ema" },
    { "{model_ema {a 1 b 2} model {a 1}}", "model", "model_ema" },
    { "{EMA {state_dict {a 1}}}", "EMA.state_dict", "EMA.state_dict" },
    { "{optimizer {a 1 b 2 c 3} net {a 1}}", "net", "net" },
    { "{optimizer {a 1 b 2 c 3}}", "-", "-" },
    { "{one {a 1} two {a 1 b 2}}", "two", "two" },
    { "[7 {a 1 b 2}]", "1", "1" },
    { "{x [{y [{a 1}]} 3]}", "x.0.y.0", "x.0.y.0" },
    { "{ema [{a 1}] net [{a 1}]}", "net.0", "ema.0" },
  };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    const char *want = i % 2 ? cases[i / 2].averaged : cases[i / 2].place;
    g_autoptr (GString) bytes = g_string_new (NULL);
    g_autoptr (DefcnPickle) pickle = parse (bytes, cases[i / 2].text);
    g_autofree char *place = NULL;
    const DefcnPickleValue *dict =
        defcn_state_find (&place, defcn_pickle_root (pickle), is_number, i % 2);

    if (g_strcmp0 (want, "-") == 0) {
      g_assert_null (dict);
    } else {
      g_assert_nonnull (dict);
      g_assert_cmpstr (place, ==, want);
    }
  }
}

/* A value that holds itself is gone through once; what an object is built from
 * is looked at. */
static void
test_circle (void)
{
  static const char circle[] = "}q\0Va\nh\0sVb\nI1\ns.";
  static const char object[] = "cm\nC\n)R}Vw\n}Va\nI1\nssb.";
  g_autoptr (DefcnPickle) a = defcn_pickle_parse ((const guint8 *) circle,
      sizeof circle - 1, NULL, "x", NULL);
  g_autoptr (DefcnPickle) b = defcn_pickle_parse ((const guint8 *) object,
      sizeof object - 1, NULL, "x", NULL);
  g_autofree char *first = NULL, *second = NULL;

  g_assert_true (
      defcn_state_find (&first, defcn_pickle_root (a), is_number, FALSE)
      == defcn_pickle_root (a));
  g_assert_nonnull (
      defcn_state_find (&second, defcn_pickle_root (b), is_number, FALSE));
  g_assert_cmpstr (second, ==, "w");
}

/* What all names begin with goes, but not what networks begin with. */
static void
test_prefix (void)
{
  static const struct
  {
    const char *text;
    gsize prefix;
  } cases[] = {
    { "{a.b 1 a.c 2}", 0 }, /* there would be no dot left */
    { "{module.a 1 module.b 2}", 7 },
    { "{module.a 1 b 2}", 0 },
    { "{module.a 1 module_b N module.b 2}", 7 },
    { "{model.conv1.weight 1 model.layer1.0.weight 2}", 6 },
    { "{x.conv1.weight 1 x.layer1.0.weight 2}", 2 },
    { "{module.model._orig_mod.conv1.w 1 module.model._orig_mod.bn1.w 2}", 23 },
    { "{backbone.bottom_up.a.b 1 backbone.fpn_a.b 2}", 0 },
    { "{module.backbone.fpn_a.b 1 module.backbone.bottom_up.d 2}", 7 },
    { "{backbone.a.b 1 backbone.c.d 2}", 9 },
    { "{model.backbone.body.a.b 1 model.backbone.body.c.d 2}", 20 },
    { "{backbone.a.b 1 neck.c.d 2}", 0 },
    { "{layer1.0.w 1 layer1.1.w 2}", 0 },
    { "{}", 0 },
    { "{module. 1}", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) bytes = g_string_new (NULL);
    g_autoptr (DefcnPickle) pickle = parse (bytes, cases[i].text);

    g_assert_cmpuint (defcn_state_prefix (defcn_pickle_root (pickle),
                          is_number),
        ==, cases[i].prefix);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/state/find", test_find);
  g_test_add_func ("/state/circle", test_circle);
  g_test_add_func ("/state/prefix", test_prefix);
  return g_test_run ();
}
