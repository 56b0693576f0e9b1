/* The pickle reader: what each opcode builds, and what is refused. */
#include "error.h"
#include "import/pickle.h"

#include <string.h>

/* A literal with its length: pickles have NUL bytes. */
#define BYTES(text) text, sizeof (text) - 1

static void render (GString *out, const DefcnPickleValue *v, int depth);

static void
render_items (GString *out, const DefcnPickleValue *v, int depth)
{
  for (guint i = 0; v->items && i < v->items->len; i++) {
    if (i)
      g_string_append_c (out, ' ');
    render (out, v->items->pdata[i], depth);
  }
}

/* @v as text; at most @depth levels, for a value may hold itself. */
static void
render (GString *out, const DefcnPickleValue *v, int depth)
{
  static const char *const open[] = { [DEFCN_PICKLE_TUPLE] = "(",
    [DEFCN_PICKLE_LIST] = "[",
    [DEFCN_PICKLE_DICT] = "{" };
  static const char *const close[] = { [DEFCN_PICKLE_TUPLE] = ")",
    [DEFCN_PICKLE_LIST] = "]",
    [DEFCN_PICKLE_DICT] = "}" };

  if (depth == 0) {
    g_string_append (out, "..");
    return;
  }
  switch (v->type) {
    case DEFCN_PICKLE_NONE:
      g_string_append (out, "None");
      break;
    case DEFCN_PICKLE_BOOL:
      g_string_append (out, v->number ? "True" : "False");
      break;
    case DEFCN_PICKLE_INT:
      g_string_append_printf (out, "%" G_GINT64_FORMAT, v->number);
      break;
    case DEFCN_PICKLE_FLOAT:
      g_string_append_printf (out, "%.17g", v->real);
      break;
    case DEFCN_PICKLE_STRING: {
      g_autofree char *text = g_strndup (v->str, v->len);

      g_string_append_printf (out, "'%s'%s", text,
          strlen (text) < v->len ? "+NUL" : "");
      break;
    }
    case DEFCN_PICKLE_GLOBAL:
      g_string_append_printf (out, "<%.*s>", (int) v->len, v->str);
      break;
    case DEFCN_PICKLE_TUPLE:
    case DEFCN_PICKLE_LIST:
    case DEFCN_PICKLE_DICT:
      g_string_append (out, open[v->type]);
      render_items (out, v, depth - 1);
      g_string_append (out, close[v->type]);
      break;
    case DEFCN_PICKLE_OBJECT:
      render (out, v->callable, depth - 1);
      render (out, v->args, depth - 1);
      g_string_append_c (out, '{');
      render_items (out, v, depth - 1);
      g_string_append_c (out, '}');
      if (v->state)
        render (out, v->state, depth - 1);
      break;
    case DEFCN_PICKLE_PERSISTENT:
      g_string_append (out, "@");
      render (out, v->args, depth - 1);
  }
}

/* Every opcode builds its value. */
static void
test_values (void)
{
  static const struct
  {
    const char *bytes;
    gsize size;
    const char *value;
  } cases[] = {
    { BYTES ("N."), "None" },
    { BYTES ("\x80\x02N."), "None" },
    { BYTES ("\x80\x04\x95\1\0\0\0\0\0\0\0\x88."), "True" },
    { BYTES ("\x89."), "False" },
    { BYTES ("I01\n."), "True" },
    { BYTES ("I00\n."), "False" },
    { BYTES ("I-12\n."), "-12" },
    { BYTES ("L99L\n."), "99" },
    { BYTES ("K\xff."), "255" },
    { BYTES ("M\1\xff."), "65281" },
    { BYTES ("J\xff\xff\xff\xff."), "-1" },
    { BYTES ("J\0\0\0\x80."), "-2147483648" },
    { BYTES ("\x8a\0."), "0" },
    { BYTES ("\x8a\1\x80."), "-128" },
    { BYTES ("\x8a\2\x80\0."), "128" },
    { BYTES ("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."),
        "9223372036854775807" },
    { BYTES ("\x8b\1\0\0\0\7."), "7" },
    { BYTES ("\x8a\x09\0\0\0\0\0\0\0\0\1."), "9223372036854775807" },
    { BYTES ("F1.5\n."), "1.5" },
    { BYTES ("G\xbf\xf8\0\0\0\0\0\0."), "-1.5" },
    { BYTES ("S'ab'\n."), "'ab'" },
    { BYTES ("S\"a'b\"\n."), "'a'b'" },
    { BYTES ("S'\\x41\\n\\\\\\''\n."), "'A\n\\''" },
    { BYTES ("S''\n."), "''" },
    { BYTES ("Vabc\n."), "'abc'" },
    { BYTES ("U\3abc."), "'abc'" },
    { BYTES ("C\3a\0c."), "'a'+NUL" },
    { BYTES ("T\3\0\0\0abc."), "'abc'" },
    { BYTES ("B\0\0\0\0."), "''" },
    { BYTES ("X\2\0\0\0\xc3\xa9."), "'\xc3\xa9'" },
    { BYTES ("\x8c\1a."), "'a'" },
    { BYTES ("\x8d\1\0\0\0\0\0\0\0a."), "'a'" },
    { BYTES ("\x8e\1\0\0\0\0\0\0\0b."), "'b'" },
    { BYTES (")."), "()" },
    { BYTES ("K\1\x85."), "(1)" },
    { BYTES ("K\1K\2\x86."), "(1 2)" },
    { BYTES ("K\1K\2K\3\x87."), "(1 2 3)" },
    { BYTES ("(K\1K\2K\3K\4t."), "(1 2 3 4)" },
    { BYTES ("(t."), "()" },
    { BYTES ("]."), "[]" },
    { BYTES ("(K\1l."), "[1]" },
    { BYTES ("]K\1a(K\2K\3e."), "[1 2 3]" },
    { BYTES ("\x8f(K\1\x90."), "[1]" },
    { BYTES ("(K\1\x91."), "[1]" },
    { BYTES ("}."), "{}" },
    { BYTES ("(K\1K\2d."), "{1 2}" },
    { BYTES ("}K\1K\2s(K\3K\4u."), "{1 2 3 4}" },
    { BYTES ("K\1K\2"
             "0."),
        "1" },
    { BYTES ("K\1(K\2"
             "1."),
        "1" },
    { BYTES ("K\1(0."), "1" },
    { BYTES ("K\1"
             "2\x86."),
        "(1 1)" },
    { BYTES ("K\7q\5"
             "0h\5."),
        "7" },
    { BYTES ("K\7p3\n0g3\n."), "7" },
    { BYTES ("K\7r\0\2\0\0"
             "0j\0\2\0\0."),
        "7" },
    { BYTES ("K\7\x94K\x08\x94\x86h\1h\0\x86\x86."), "((7 8) (8 7))" },
    { BYTES ("]q\0h\0a."), "[[[[[[[[[..]]]]]]]]]" },
    { BYTES ("ccollections\nOrderedDict\n."), "<collections OrderedDict>" },
    { BYTES ("\x8c\5numpy\x8c\5"
             "dtype\x93."),
        "<numpy dtype>" },
    { BYTES ("ccollections\nOrderedDict\n)RK\1K\2s}b."),
        "<collections OrderedDict>(){1 2}{}" },
    { BYTES ("ctorch\nSize\n(K\2t\x85\x81."), "<torch Size>((2)){}" },
    { BYTES ("c_codecs\nencode\nX\4\0\0\0\xc3\xbf"
             "ab\x8c\6latin1\x86R."),
        "'\xff"
        "ab'" },
    { BYTES ("c_codecs\nencode\nX\3\0\0\0a\0b\x8c\6latin1\x86R."), "'a'+NUL" },
    { BYTES ("c__builtin__\nbytes\n)R."), "''" },
    /* Any name will do: nothing is called. */
    { BYTES ("cos\nsystem\n(S'ls'\ntR."), "<os system>('ls'){}" },
    { BYTES ("\x8c\x07pathlib\x8c\x09PosixPath\x93\x8c\1a\x85R."),
        "<pathlib PosixPath>('a'){}" },
    { BYTES ("\x80\5\x8c\1m\x8c\1C\x93)\x81}(\x8c\1aK\1ub."),
        "<m C>(){}{'a' 1}" },
    { BYTES ("cm\nf\n)R)R."), "<a call's result>(){}" },
    { BYTES ("cm\nC\n)}\x92."), "<m C>(){}" },
    { BYTES ("(K\1im\nC\n."), "<m C>(1){}" },
    { BYTES ("(cm\nC\nK\1o."), "<m C>(1){}" },
    { BYTES ("\x96\2\0\0\0\0\0\0\0ab\x98."), "'ab'" },
    { BYTES ("U\7storageQ."), "@'storage'" },
    { BYTES ("Pabc\n."), "@'abc'" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    gsize used = 0;
    g_autoptr (DefcnPickle) pickle =
        defcn_pickle_parse ((const guint8 *) cases[i].bytes, cases[i].size,
            &used, "x", &error);
    g_autoptr (GString) text = g_string_new (NULL);

    g_assert_no_error (error);
    render (text, defcn_pickle_root (pickle), 9);
    g_assert_cmpstr (text->str, ==, cases[i].value);
    g_assert_cmpuint (used, ==, cases[i].size);
  }
}

/* Whatever is not understood is named; nothing is called. */
static void
test_refused (void)
{
  static const struct
  {
    const char *bytes;
    gsize size;
    const char *word;
  } cases[] = {
    { BYTES (""), "cut off" },
    { BYTES ("."), "empty" },
    { BYTES ("N"), "cut off" },
    { BYTES ("K"), "cut off" },
    { BYTES ("G\0\0\0."), "cut off" },
    { BYTES ("X\xff\xff\xff\xff"
             "a."),
        "cut off" },
    { BYTES ("\x8e\xff\xff\xff\xff\xff\xff\xff\xff"
             "a."),
        "cut off" },
    { BYTES ("I12"), "cut off" },
    { BYTES ("Iab\n."), "\"ab\" is not a whole number" },
    { BYTES ("I1x\n."), "\"1x\" is not a whole number" },
    { BYTES ("Fx\n."), "\"x\" is not a number" },
    { BYTES ("Sab\n."), "without quotes" },
    { BYTES ("S'ab\"\n."), "without quotes" },
    { BYTES ("S'\n."), "without quotes" },
    { BYTES ("S'\\q'\n."), "escape" },
    { BYTES ("S'\\x4'\n."), "escape" },
    { BYTES ("S'a\\'\n."), "escape" },
    { BYTES ("K\1K\2\x93."), "global without a name" },
    { BYTES ("K\1)R."), "cannot be called" },
    { BYTES ("cnumpy\ndtype\nNR."), "cannot be called" },
    { BYTES ("c_codecs\nencode\nU\1aU\4rot1\x86R."), "encoding" },
    { BYTES ("c_codecs\nencode\n)R."), "encoding" },
    { BYTES ("c_codecs\nencode\nU\1\xff\x8c\6latin1\x86R."), "bytes" },
    { BYTES ("c_codecs\nencode\nX\2\0\0\0\xc4\x80\x8c\6latin1\x86R."),
        "bytes" },
    { BYTES ("NNb."), "state" },
    { BYTES ("Nb."), "empty" },
    { BYTES ("K\1K\2a."), "entries" },
    { BYTES ("}K\1a."), "entries" },
    { BYTES ("]K\1K\2s."), "entries" },
    { BYTES ("}(K\1u."), "key without a value" },
    { BYTES ("(K\1d."), "key without a value" },
    { BYTES ("K\1t."), "no mark" },
    { BYTES ("K\1"
             "e."),
        "no mark" },
    { BYTES ("(K\1K\2e."), "empty" },
    { BYTES ("K\1(\x85."), "empty" },
    { BYTES ("K\1(2."), "empty" },
    { BYTES ("\x87."), "empty" },
    { BYTES ("0."), "empty" },
    { BYTES ("Q."), "empty" },
    { BYTES ("h\0."), "entry 0 of its memo" },
    { BYTES ("Nq\2h\1."), "entry 1 of its memo" },
    { BYTES ("Nr\xff\xff\xff\xff."), "memo of 4294967295" },
    { BYTES ("\x80\6N."), "protocol 6" },
    { BYTES ("\x80\5\x97."), "opcode 0x97" },
    { BYTES ("(o."), "empty" },
    { BYTES ("inumpy\nndarray\n."), "no mark" },
    { BYTES ("\x82\1."), "opcode 0x82" },
    { BYTES ("\xff."), "opcode 0xff" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnPickle) pickle =
        defcn_pickle_parse ((const guint8 *) cases[i].bytes, cases[i].size,
            NULL, "a.pth", &error);

    g_assert_null (pickle);
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_true (g_str_has_prefix (error->message, "a.pth: "));
    if (!strstr (error->message, cases[i].word))
      g_error ("\"%s\" does not say \"%s\"", error->message, cases[i].word);
  }
}

/* A pickle without end stops at the limit, not at the end of memory. */
static void
test_limit (void)
{
  const gsize size = (4 << 20) + 2;
  g_autofree guint8 *bytes = g_malloc (size);
  g_autoptr (GError) error = NULL;

  memset (bytes, '(', size);
  g_assert_null (defcn_pickle_parse (bytes, size, NULL, "x", &error));
  g_assert_nonnull (strstr (error->message, "opcodes"));
}

/* The way to values: dicts, objects filled like one, tuples, numbers; all
 * accept NULL and other types. */
static void
test_access (void)
{
  static const char bytes[] = "}(U\1aK\5U\1bccollections\nOrderedDict\n)R(U\1cN"
                              "U\1dctorch\nSize\n(K\2K\3t\x85RuU\1t(K\1K\2tu.";
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPickle) pickle = defcn_pickle_parse ((const guint8 *) bytes,
      sizeof bytes - 1, NULL, "x", &error);
  const DefcnPickleValue *key, *value;
  gint64 number, numbers[2];
  int n;

  g_assert_no_error (error);
  const DefcnPickleValue *root = defcn_pickle_root (pickle);
  const DefcnPickleValue *b = defcn_pickle_value_get (root, "b");
  const DefcnPickleValue *t = defcn_pickle_value_get (root, "t");

  g_assert_cmpuint (defcn_pickle_value_count (root), ==, 3);
  g_assert_true (
      defcn_pickle_value_int (&number, defcn_pickle_value_get (root, "a")));
  g_assert_cmpint (number, ==, 5);
  g_assert_false (defcn_pickle_value_int (&number, t));
  g_assert_null (defcn_pickle_value_get (root, "z"));
  g_assert_true (defcn_pickle_value_is_call (b, "collections OrderedDict"));
  g_assert_false (defcn_pickle_value_is_call (b, "torch Size"));
  g_assert_false (defcn_pickle_value_is_call (t, "torch Size"));
  g_assert_true (defcn_pickle_value_entry (b, 1, &key, &value));
  g_assert_true (defcn_pickle_value_is (key, "d"));
  g_assert_false (defcn_pickle_value_is (key, "dd"));
  g_assert_true (defcn_pickle_value_ints (numbers, &n, 2, value));
  g_assert_cmpint (n, ==, 2);
  g_assert_cmpint (numbers[1], ==, 3);
  g_assert_false (defcn_pickle_value_ints (numbers, &n, 1, value));
  g_assert_false (defcn_pickle_value_entry (b, 2, &key, &value));
  g_assert_true (defcn_pickle_value_at (t, 1) != NULL);
  g_assert_null (defcn_pickle_value_at (t, 2));
  g_assert_null (defcn_pickle_value_at (root, 0));
  g_assert_false (defcn_pickle_value_entry (t, 0, &key, &value));

  const DefcnPickleValue longer = { .type = DEFCN_PICKLE_STRING,
    .str = "d\0e",
    .len = 2 };
  const DefcnPickleValue truth = { .type = DEFCN_PICKLE_BOOL, .number = 1 };
  g_assert_false (defcn_pickle_value_is (&longer, "d"));
  g_assert_false (defcn_pickle_value_int (&number, &truth));
  g_assert_false (defcn_pickle_value_is (NULL, "a"));
  g_assert_false (defcn_pickle_value_is_call (NULL, "a"));
  g_assert_null (defcn_pickle_value_at (NULL, 0));
  g_assert_null (defcn_pickle_value_get (NULL, "a"));
  g_assert_false (defcn_pickle_value_int (&number, NULL));
  g_assert_false (defcn_pickle_value_ints (numbers, &n, 2, NULL));
  g_assert_cmpuint (defcn_pickle_value_count (NULL), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pickle/values", test_values);
  g_test_add_func ("/pickle/refused", test_refused);
  g_test_add_func ("/pickle/limit", test_limit);
  g_test_add_func ("/pickle/access", test_access);
  return g_test_run ();
}
