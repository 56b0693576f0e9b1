/* The model file: what is read, what is refused, how it is written. */
#include "half.h"
#include "heap.h"
#include "testing.h"
#include "weights.h"

#include <glib/gstdio.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *folder; /* for files of this run */

/* A file of @header and @n_data bytes 0, 1, 2 .. */
static GBytes *
file_of (const char *header, gsize n_data)
{
  GByteArray *file = g_byte_array_new ();
  const guint64 length = GUINT64_TO_LE ((guint64) strlen (header));

  g_byte_array_append (file, (const guint8 *) &length, 8);
  g_byte_array_append (file, (const guint8 *) header, strlen (header));
  for (gsize i = 0; i < n_data; i++)
    g_byte_array_append (file, (const guint8[]){ i }, 1);
  return g_byte_array_free_to_bytes (file);
}

/* Opening @bytes fails and the message has the file's name and @word. */
static void
assert_refused (GBytes *bytes, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights =
      defcn_weights_open_bytes (bytes, "some.file", &error);

  g_assert_null (weights);
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
  g_assert_true (g_str_has_prefix (error->message, "some.file: "));
  if (!strstr (error->message, word))
    g_error ("\"%s\" does not say \"%s\"", error->message, word);
}

#define TENSOR(name, dtype, shape, begin, end)                                 \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape                     \
  ",\"data_offsets\":[" begin "," end "]}"

/* Every way in which a header can lie is refused, with the tensor's name. */
static void
test_malformed (void)
{
  static const struct
  {
    const char *header;
    gsize n_data;
    const char *word;
  } cases[] = {
    { "", 0, "JSON object" },
    { "\"\\u0000", 0, "NUL" },
    { "[]", 0, "JSON object" },
    { "{", 0, "JSON object" },
    { "{} x", 0, "more than a JSON object" },
    { "{}{}", 0, "more than a JSON object" },
    { "{}", 1, "1 bytes too many" },
    { "{\"a\":1}", 0, "\"a\"" },
    { "{\"a\":{}}", 0, "\"a\"" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "\"a\"" },
    { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],"
      "\"data_offsets\":[0,1]}}",
        1, "\"a\"" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"more\":1,"
      "\"data_offsets\":[0,1]}}",
        1, "\"a\"" },
    { "{" TENSOR ("", "U8", "[1]", "0", "1") "}", 1, "UTF-8" },
    { "{" TENSOR ("\xff", "U8", "[1]", "0", "1") "}", 1, "UTF-8" },
    { "{" TENSOR ("a\\u0000b", "U8", "[1]", "0", "1") "}", 1, "NUL" },
    { "{" TENSOR ("a", "F128", "[1]", "0", "1") "}", 1, "\"a\": its dtype" },
    { "{" TENSOR ("a", "f32", "[1]", "0", "4") "}", 4, "\"a\": its dtype" },
    { "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        "\"a\": its dtype" },
    { "{" TENSOR ("a", "U8", "1", "0", "1") "}", 1, "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[-1]", "0", "1") "}", 1, "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[0.5]", "0", "1") "}", 1, "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[1e300]", "0", "1") "}", 1, "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[\"1\"]", "0", "1") "}", 1, "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[1,1,1,1,1,1,1,1,1]", "0", "1") "}", 1,
        "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[4294967296,4294967296]", "0", "0") "}", 0,
        "\"a\": its shape" },
    { "{" TENSOR ("a", "F32", "[4294967296,1073741824]", "0", "0") "}", 0,
        "\"a\": its shape" }, /* 2^64 bytes */
    { "{" TENSOR ("a", "F32", "[4611686018427387904]", "0", "0") "}", 0,
        "\"a\": its shape" },
    { "{" TENSOR ("a", "U8", "[9007199254740994,0]", "0", "0") "}", 0,
        "\"a\": its shape" }, /* more than a double counts exactly */
    { "{" TENSOR ("a", "U8", "[1]", "0", "2") "}", 1, "\"a\": its data_offs" },
    { "{" TENSOR ("a", "U8", "[1]", "1", "0") "}", 1, "\"a\": its data_offs" },
    { "{" TENSOR ("a", "U8", "[1]", "-1", "0") "}", 1, "\"a\": its data_offs" },
    { "{" TENSOR ("a", "U8", "[1]", "0", "1e30") "}", 1,
        "\"a\": its data_off" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1]}}", 1,
        "\"a\": its data_offs" },
    { "{" TENSOR ("a", "U8", "[2]", "0", "1") "}", 1, "1 bytes of data for 2" },
    { "{" TENSOR ("a", "F32", "[1]", "0", "2") "}", 2,
        "for 1 elements of F32" },
    { "{" TENSOR ("a", "U8", "[]", "0", "0") "}", 0, "for 1 elements" },
    { "{" TENSOR ("a", "U8", "[1]", "0", "1") "," TENSOR ("a", "U8", "[1]", "1",
          "2") "}",
        2, "\"a\" is there twice" },
    { "{" TENSOR ("a", "U8", "[2]", "0", "2") "," TENSOR ("b", "U8", "[2]", "1",
          "3") "}",
        3, "\"b\" overlaps" },
    { "{" TENSOR ("a", "U8", "[1]", "0", "1") "," TENSOR ("b", "U8", "[1]", "2",
          "3") "}",
        3, "\"b\" leaves a gap" },
    { "{" TENSOR ("b", "U8", "[1]", "1", "2") "}", 2, "\"b\" leaves a gap" },
    { "{\"__metadata__\":[]}", 0, "__metadata__" },
    { "{\"__metadata__\":{\"k\":1}}", 0, "\"k\" is not a string" },
    { "{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, "\"k\" is there twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = file_of (cases[i].header, cases[i].n_data);

    assert_refused (bytes, cases[i].word);
  }
}

/* Lengths that the file does not have, NUL bytes and bottomless nesting. */
static void
test_malformed_files (void)
{
  static const guint8 huge[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    '{', '}' };
  static const guint8 longer[] = { 3, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
  static const guint8 nul[] = { 3, 0, 0, 0, 0, 0, 0, 0, '{', '}', 0 };
  const struct
  {
    const guint8 *data;
    gsize size;
    const char *word;
  } cases[] = {
    { huge, 0, "too short" },
    { huge, 7, "too short" },
    { huge, 8, "header would have" },
    { huge, sizeof huge, "header would have" },
    { longer, sizeof longer, "header would have 3 bytes" },
    { nul, sizeof nul, "NUL" },
    { (const guint8 *) "version https://git-lfs", 23, "git-lfs" },
    { (const guint8 *) "PK\3\4\0\0\0\0\0", 9, "defcn import" },
    { (const guint8 *) "\x80\2\x8a\nl\xfc\x9c\x46", 8, "defcn import" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        g_bytes_new_static (cases[i].data, cases[i].size);

    assert_refused (bytes, cases[i].word);
  }

  /* more than 100 MiB of header, in a file that takes no room */
  const guint64 much = GUINT64_TO_LE ((guint64) 101 << 20);
  g_autofree char *path = g_build_filename (folder, "sparse", NULL);
  g_autoptr (GError) error = NULL;
  g_assert_true (
      g_file_set_contents (path, (const char *) &much, sizeof much, NULL));
  g_assert_cmpint (truncate (path, (off_t) 102 << 20), ==, 0);
  g_assert_null (defcn_weights_open (path, &error));
  g_assert_nonnull (strstr (error->message, "header would have 105906176"));

  g_autofree char *deep = g_strnfill (1 << 20, '[');
  g_autoptr (GBytes) bytes = file_of (deep, 0);
  assert_refused (bytes, "JSON object");
}

/* A file that is not there is named. */
static void
test_absent (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (defcn_weights_open ("/nonexistent.weights", &error));
  g_assert_nonnull (strstr (error->message, "/nonexistent.weights"));
}

/* What is not said above is read: every dtype, no dims, empty tensors, order
 * in the file, space around the header, an escape that is no NUL. */
static void
test_accepted (void)
{
  static const char header[] =
      " {\"__metadata__\":{\"k\":\"v\\\\u0000\"}," TENSOR ("i", "I32", "[1]",
          "4", "8") "," TENSOR ("f", "F32", "[]", "0", "4") "," TENSOR ("none",
          "F32", "[3,0]", "8", "8") "," TENSOR ("l", "I64", "[1,1]", "8",
          "16") "," TENSOR ("h", "F16", "[2]", "16", "20") "," TENSOR ("b",
          "BF16", "[1]", "20", "22") "," TENSOR ("u", "U8", "[1,2,1]", "22",
          "24") "," TENSOR ("d", "U8", "[1,1,1,1,1,1,1,0]", "24", "24") "} \n";
  g_autoptr (GBytes) bytes = file_of (header, 24);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) w = defcn_weights_open_bytes (bytes, "x", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (defcn_weights_count (w), ==, 8);
  g_assert_cmpstr (defcn_weights_path (w), ==, "x");
  g_assert_cmpstr (defcn_weights_metadata (w, "k"), ==, "v\\u0000");
  g_assert_null (defcn_weights_metadata (w, "K"));
  g_assert_null (defcn_weights_lookup (w, "absent"));
  g_assert_cmpstr (defcn_weights_get (w, 0)->name, ==, "i");

  const DefcnWeightsTensor *t = defcn_weights_lookup (w, "u");
  g_assert_cmpint (t->dtype, ==, DEFCN_DTYPE_U8);
  g_assert_cmpint (t->n_dims, ==, 3);
  g_assert_cmpint (t->dims[1], ==, 2);
  g_assert_cmpuint (t->len, ==, 2);
  g_assert_cmpuint (((const guint8 *) t->data)[1], ==, 23);
  g_assert_cmpuint (defcn_weights_lookup (w, "f")->len, ==, 1);
  g_assert_cmpint (defcn_weights_lookup (w, "d")->n_dims, ==, 8);
  g_assert_cmpuint (defcn_weights_lookup (w, "none")->len, ==, 0);
}

/* Empty tensors lie where another begins, or at the end, in any order in the
 * header. */
static void
test_empty_tensors (void)
{
#define EMPTY(name, at) TENSOR (name, "F32", "[0]", at, at)
  static const char *const headers[] = {
    "{" EMPTY ("e", "0") "," TENSOR ("a", "U8", "[4]", "0", "4") "}",
    "{" TENSOR ("a", "U8", "[4]", "0", "4") "," EMPTY ("e", "0") "}",
    "{" TENSOR ("a", "U8", "[4]", "0", "4") "," EMPTY ("e", "4") "}",
    "{" EMPTY ("e", "2") "," TENSOR ("b", "U8", "[2]", "2", "4") "," EMPTY ("f",
        "2") "," TENSOR ("a", "U8", "[2]", "0", "2") "}",
  };
#undef EMPTY

  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++) {
    g_autoptr (GBytes) bytes = file_of (headers[i], 4);
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnWeights) w = defcn_weights_open_bytes (bytes, "x", &error);

    g_assert_no_error (error);
    g_assert_cmpuint (defcn_weights_lookup (w, "e")->len, ==, 0);
  }
  g_autoptr (GBytes) inside =
      file_of ("{" TENSOR ("a", "U8", "[4]", "0", "4") "," TENSOR ("e", "U8",
                   "[0]", "2", "2") "}",
          4);
  assert_refused (inside, "\"e\" overlaps another");
}

static void
open_and_save (gpointer path)
{
  static const float values[] = { 1, 2 };
  static const gint64 two = 2;
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GBytes) bad = file_of ("{\"a\":1}", 0);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 2; i++) { /* the second takes the first one's place */
    defcn_weights_writer_metadata (writer, "k", "v");
    defcn_weights_writer_add (writer, "t", DEFCN_DTYPE_F16, 1, &two, values);
  }
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  g_autoptr (DefcnWeights) w = defcn_weights_open (path, NULL);
  g_autofree char *hash = defcn_weights_hash (w);
  g_assert_cmpuint (defcn_weights_count (w), ==, 1);
  g_assert_null (defcn_weights_open_bytes (bad, "x", &error));
}

/* Nothing is left of files and writers. */
static void
test_leaks (void)
{
  g_autofree char *path = g_build_filename (folder, "leaks", NULL);

  heap_assert_kept (open_and_save, path);
}

/* No prefix of a good file is one, and no changed byte of it crashes. */
static void
test_damaged (void)
{
  g_autoptr (GBytes) bytes =
      file_of ("{" TENSOR ("a", "F32", "[2]", "0", "8") "," TENSOR ("b", "F16",
                   "[1]", "8", "10") "}",
          10);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize n = 0; n < size; n++) {
    g_autoptr (GBytes) prefix = g_bytes_new (data, n);

    assert_refused (prefix, "");
  }
  for (gsize i = 0; i < size; i++) {
    for (int bit = 0; bit < 8; bit++) {
      g_autofree guint8 *copy = g_memdup2 (data, size);

      copy[i] ^= 1 << bit;
      g_autoptr (GBytes) changed = g_bytes_new (copy, size);
      g_autoptr (DefcnWeights) w =
          defcn_weights_open_bytes (changed, "x", NULL);
      const DefcnWeightsTensor *t = w ? defcn_weights_get (w, 0) : NULL;

      if (t && t->dtype == DEFCN_DTYPE_F32) {
        float values[2];

        g_assert_cmpuint (t->len, ==, 2);
        defcn_weights_read (w, t, values, NULL);
      }
    }
  }
}

/* The value of @half by its definition, in double. */
static double
half_value (guint16 half)
{
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;

  if (exponent == 31)
    return mantissa ? NAN : sign * INFINITY;
  return exponent == 0 ? sign * ldexp (mantissa, -24)
                       : sign * ldexp (1024 + mantissa, exponent - 25);
}

/* Every half precision number becomes the float of its definition and comes
 * back as itself. */
static void
test_half (void)
{
  for (guint i = 0; i <= G_MAXUINT16; i++) {
    const double wanted = half_value (i);
    const float found = defcn_half_to_float (i);

    if (isnan (wanted)) {
      g_assert_true (isnan (found));
      g_assert_true (isnan (half_value (defcn_half_from_float (found))));
      continue;
    }
    g_assert_cmpfloat (found, ==, wanted);
    g_assert_true (!signbit (found) == !signbit (wanted));
    g_assert_cmpuint (defcn_half_from_float (found), ==, i);
  }
}

/* bfloat16 is the upper half of a float, to which it rounds: to the nearer, in
 * the middle to the even one. */
static void
test_bfloat_rounding (void)
{
  for (guint i = 0; i <= 0x7f7f; i++) {
    const float low = defcn_half_bfloat_to_float (i);
    const float high =
        i == 0x7f7f ? 0x1p128 : defcn_half_bfloat_to_float (i + 1);
    const float middle = i == 0x7f7f ? 0x1.ffp127f : low + (high - low) / 2;
    const guint even = i + i % 2;

    g_assert_cmpuint (defcn_half_bfloat_from_float (low), ==, i);
    g_assert_cmpuint (defcn_half_bfloat_from_float (nextafterf (middle, low)),
        ==, i);
    g_assert_cmpuint (defcn_half_bfloat_from_float (middle), ==, even);
    g_assert_cmpuint (defcn_half_bfloat_from_float (nextafterf (middle, high)),
        ==, i + 1);
    g_assert_cmpuint (defcn_half_bfloat_from_float (-middle), ==,
        even | 0x8000);
  }
  g_assert_cmpuint (defcn_half_bfloat_from_float (INFINITY), ==, 0x7f80);
  for (int bit = 0; bit < 23; bit++) {
    const guint32 bits = 0x7f800000 | 1u << bit;
    float nan;

    memcpy (&nan, &bits, sizeof nan);
    g_assert_true (isnan (
        defcn_half_bfloat_to_float (defcn_half_bfloat_from_float (nan))));
  }
}

/* @x to half by rounding in double to a multiple of the spacing there, ties to
 * even (the mode of rint). */
static double
rounded (double x)
{
  int exponent;

  frexp (x, &exponent);
  const double step = ldexp (1, MAX (exponent, -13) - 11);
  const double result = rint (x / step) * step;
  return fabs (result) > 65504 ? copysign (INFINITY, x) : result;
}

/* Around each half, and half way to the next, floats round to nearest, ties to
 * even. */
static void
test_half_rounding (void)
{
  for (guint i = 0; i < 0x7c00; i++) {
    const float low = half_value (i);
    const float high = i == 0x7bff ? 65536 : half_value (i + 1);
    const float middle = low + (high - low) / 2;
    const float points[] = { low, nextafterf (low, high),
      nextafterf (middle, low), middle, nextafterf (middle, high),
      nextafterf (high, low) };

    for (gsize k = 0; k < G_N_ELEMENTS (points); k++) {
      g_assert_cmpfloat (half_value (defcn_half_from_float (points[k])), ==,
          rounded (points[k]));
      g_assert_cmpfloat (half_value (defcn_half_from_float (-points[k])), ==,
          -rounded (points[k]));
    }
  }
  g_assert_cmpuint (defcn_half_from_float (INFINITY), ==, 0x7c00);
  g_assert_cmpuint (defcn_half_from_float (-1e30f), ==, 0xfc00);
  g_assert_cmpuint (defcn_half_from_float (1e-30f), ==, 0);
}

/* F64, F32, F16 and BF16 are read; NaN and infinities are refused by position,
 * and others by type. */
static void
test_read (void)
{
  static const struct
  {
    const char *dtype;
    guint8 data[8];
    float value;
    const char *word; /* NULL: good */
  } cases[] = {
    { "F32", { 0, 0, 0x80, 0x3f }, 1, NULL },
    { "F32", { 1, 0, 0, 0x80 }, -0x1p-149f, NULL },
    { "F32", { 0, 0, 0x80, 0x7f }, 0, "\"t\": element 0 is inf" },
    { "F32", { 0, 0, 0x80, 0xff }, 0, "\"t\": element 0 is -inf" },
    { "F32", { 1, 0, 0x80, 0x7f }, 0, "\"t\": element 0 is nan" },
    { "F16", { 0, 0xc0, 0x01, 0x00 }, -2, NULL },
    { "F16", { 0, 0xc0, 0x00, 0x7c }, 0, "\"t\": element 1 is inf" },
    { "F16", { 0, 0xc0, 0x01, 0xfc }, 0, "\"t\": element 1 is " },
    { "BF16", { 0xc0, 0x3f, 0x80, 0x3f }, 1.5f, NULL },
    { "BF16", { 0x80, 0x7f, 0x80, 0x3f }, 0, "\"t\": element 0 is inf" },
    { "F64", { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, -1.5f, NULL },
    { "F64", { 0, 0, 0, 0, 0, 0, 0xf0, 0x7f }, 0, "\"t\": element 0 is inf" },
    { "F64", { 0, 0, 0, 0, 0, 0, 0xf0, 0x47 }, 0, "\"t\": element 0 is inf" },
    { "I64", { 0 }, 0, "\"t\" is I64, wanted F64" },
    { "U64", { 0 }, 0, "\"t\" is U64, wanted F64" },
    { "I32", { 0 }, 0, "\"t\" is I32, wanted F64" },
    { "U32", { 0 }, 0, "\"t\" is U32, wanted F64" },
    { "I16", { 0 }, 0, "\"t\" is I16, wanted F64" },
    { "U16", { 0 }, 0, "\"t\" is U16, wanted F64" },
    { "I8", { 0 }, 0, "\"t\" is I8, wanted F64" },
    { "U8", { 0 }, 0, "\"t\" is U8, wanted F64" },
    { "BOOL", { 0 }, 0, "\"t\" is BOOL, wanted F64" },
    { "F8_E4M3", { 0 }, 0, "\"t\" is F8_E4M3, wanted F64" },
    { "F8_E5M2", { 0 }, 0, "\"t\" is F8_E5M2, wanted F64" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *dtype = cases[i].dtype;
    g_autofree char *header =
        g_strdup_printf ("{\"t\":{\"dtype\":\"%s\",\"shape\":[%d],"
                         "\"data_offsets\":[0,8]}}",
            dtype,
            g_str_has_suffix (dtype, "64")       ? 1
                : g_str_has_suffix (dtype, "32") ? 2
                : g_str_has_suffix (dtype, "16") ? 4
                                                 : 8);
    g_autoptr (GBytes) empty = file_of (header, 0);
    gsize size;
    const guint8 *head = g_bytes_get_data (empty, &size);
    GByteArray *file = g_byte_array_new ();
    g_autoptr (GError) error = NULL;
    float values[8];

    g_byte_array_append (file, head, size);
    g_byte_array_append (file, cases[i].data, 8);
    g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (file);
    g_autoptr (DefcnWeights) w = defcn_weights_open_bytes (bytes, "x", &error);
    g_assert_no_error (error);

    const gboolean good =
        defcn_weights_read (w, defcn_weights_get (w, 0), values, &error);
    g_assert_cmpint (good, ==, cases[i].word == NULL);
    if (good) {
      g_assert_cmpfloat (values[0], ==, cases[i].value);
    } else {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
      g_assert_true (g_str_has_prefix (error->message, "x: "));
      g_assert_nonnull (strstr (error->message, cases[i].word));
    }
  }
}

static DefcnWeightsWriter *
sample_writer (gboolean reverse)
{
  static const float matrix[] = { 1, -2, 0.5f, 3e30f, 0, -0.0f };
  static const float halves[] = { 65504, 0x1p-24f, 1.0f / 3 };
  static const gint64 dims[] = { 2, 3 }, three = 3, none = 0;
  DefcnWeightsWriter *writer = defcn_weights_writer_new ();

  for (int i = 0; i < 4; i++) {
    switch (reverse ? 3 - i : i) {
      case 0:
        defcn_weights_writer_add (writer, "b.matrix", DEFCN_DTYPE_F32, 2, dims,
            matrix);
        break;
      case 1:
        defcn_weights_writer_add (writer, "a\"\\\xc3\xa9", DEFCN_DTYPE_F16, 1,
            &three, halves);
        break;
      case 2:
        defcn_weights_writer_add (writer, "scalar", DEFCN_DTYPE_F32, 0, NULL,
            matrix);
        break;
      default:
        defcn_weights_writer_add (writer, "empty", DEFCN_DTYPE_F32, 1, &none,
            NULL);
    }
  }
  defcn_weights_writer_metadata (writer, "key", "lost");
  defcn_weights_writer_metadata (writer, "key", "{\"a\": \"\xc3\xbc\\n\"}");
  return writer;
}

static char *
save_sample (const char *name, gboolean reverse)
{
  g_autoptr (DefcnWeightsWriter) writer = sample_writer (reverse);
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);
  return path;
}

/* What is written is read back: values, shapes, names, metadata. */
static void
test_round_trip (void)
{
  g_autofree char *path = save_sample ("round", FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) w = defcn_weights_open (path, &error);
  float values[6];

  g_assert_no_error (error);
  GStatBuf status;
  const mode_t mask = umask (022);
  umask (mask);
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0644 & ~mask);

  g_assert_cmpuint (defcn_weights_count (w), ==, 4);
  g_assert_cmpstr (defcn_weights_metadata (w, "key"), ==,
      "{\"a\": \"\xc3\xbc\\n\"}");

  const DefcnWeightsTensor *t = defcn_weights_lookup (w, "b.matrix");
  g_assert_cmpint (t->n_dims, ==, 2);
  g_assert_cmpint (t->dims[0], ==, 2);
  g_assert_cmpint (t->dims[1], ==, 3);
  g_assert_true (defcn_weights_read (w, t, values, &error));
  g_assert_cmpfloat (values[3], ==, 3e30f);
  g_assert_true (signbit (values[5]));

  t = defcn_weights_lookup (w, "a\"\\\xc3\xa9");
  g_assert_cmpint (t->dtype, ==, DEFCN_DTYPE_F16);
  g_assert_true (defcn_weights_read (w, t, values, &error));
  g_assert_cmpfloat (values[0], ==, 65504);
  g_assert_cmpfloat (values[1], ==, 0x1p-24f);
  g_assert_cmpfloat (values[2], ==, (float) rounded (1.0f / 3));
  g_assert_cmpint (defcn_weights_lookup (w, "scalar")->n_dims, ==, 0);
  g_assert_cmpuint (defcn_weights_lookup (w, "empty")->len, ==, 0);
}

/* The same content gives the same bytes, whatever the order it came in, with
 * the data aligned to 8 bytes; the hash is that of the bytes. */
static void
test_deterministic (void)
{
  g_autofree char *a = save_sample ("a", FALSE), *b = save_sample ("b", TRUE);
  g_autofree char *x = NULL, *y = NULL;
  gsize nx, ny;
  guint64 header;

  g_assert_true (g_file_get_contents (a, &x, &nx, NULL));
  g_assert_true (g_file_get_contents (b, &y, &ny, NULL));
  g_assert_cmpmem (x, nx, y, ny);
  memcpy (&header, x, 8);
  g_assert_cmpuint (GUINT64_FROM_LE (header) % 8, ==, 0);

  g_autoptr (DefcnWeights) w = defcn_weights_open (a, NULL);
  g_autofree char *found = defcn_weights_hash (w);
  g_autofree char *wanted =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) x, nx);
  g_assert_cmpstr (found, ==, wanted);
}

/* Files in the folder of this run whose name starts with @prefix. */
static int
count_files (const char *prefix)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  int n = 0;

  while ((name = g_dir_read_name (dir)))
    n += g_str_has_prefix (name, prefix);
  return n;
}

/* Saving to @path fails with an error that names it and leaves nothing. */
static void
assert_unsaved (DefcnWeightsWriter *writer, const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (defcn_weights_writer_save (writer, path, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
}

/* A value that half precision does not hold is an error with file and tensor;
 * the file that was there stays. */
static void
test_overflow (void)
{
  static const float values[] = { NAN, 65520, -INFINITY };
  static const gint64 one = 1;
  g_autofree char *path = save_sample ("overflow", FALSE);

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
    g_autoptr (GError) error = NULL;

    defcn_weights_writer_add (writer, "t", DEFCN_DTYPE_F16, 1, &one,
        &values[i]);
    assert_unsaved (writer, path);
    g_assert_false (defcn_weights_writer_save (writer, path, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "\"t\""));
  }
  g_autoptr (DefcnWeights) kept = defcn_weights_open (path, NULL);
  g_assert_cmpuint (defcn_weights_count (kept), ==, 4);
}

/* A write that fails half way, a folder in the way, a folder that is not there:
 * the error names the file, the old one is intact, nothing is left behind. */
static void
test_atomic (void)
{
  g_autofree char *path = save_sample ("atomic", FALSE);
  g_autofree char *directory = g_build_filename (folder, "taken", NULL);
  g_autofree char *inside = g_build_filename (directory, "file", NULL);
  g_autoptr (DefcnWeightsWriter) writer = sample_writer (FALSE);
  struct rlimit limit, small;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  small = limit;
  small.rlim_cur = 100;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  assert_unsaved (writer, path);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  signal (SIGXFSZ, SIG_DFL);
  g_assert_cmpint (count_files ("atomic"), ==, 1);
  g_autoptr (DefcnWeights) kept = defcn_weights_open (path, NULL);
  g_assert_nonnull (kept);

  g_assert_cmpint (g_mkdir (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (inside, "x", 1, NULL));
  assert_unsaved (writer, directory);
  g_assert_cmpint (count_files ("taken"), ==, 1);

  assert_unsaved (writer, "/nonexistent/file");
}

/* A number of KiB that Linux tells of this process. */
static glong
status_kib (const char *key)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  const char *line = strstr (text, key);
  g_assert_nonnull (line);
  return strtol (line + strlen (key), NULL, 10);
}

/* Saving takes no copy of the tensors, and writes as many bytes as it has said
 * before. */
static void
test_streamed (void)
{
  enum
  {
    LEN = 8 << 20
  };
  g_autofree char *path = g_build_filename (folder, "streamed", NULL);
  g_autofree float *data = g_new0 (float, LEN);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  const gint64 len = LEN;
  GStatBuf about;

  defcn_weights_writer_add (writer, "a", DEFCN_DTYPE_F32, 1, &len, data);
  defcn_weights_writer_add (writer, "b", DEFCN_DTYPE_F16, 1, &len, data);
  defcn_weights_writer_metadata (writer, "k", "value");
  FILE *peak = g_fopen ("/proc/self/clear_refs", "w");
  const gboolean told = peak && fputs ("5", peak) >= 0 && fclose (peak) == 0;
  const glong before = status_kib ("VmRSS:");
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  if (told)
    g_assert_cmpint (status_kib ("VmHWM:") - before, <, 8 << 10);
  g_assert_cmpint (g_stat (path, &about), ==, 0);
  g_assert_cmpuint (defcn_weights_writer_size (writer), ==, about.st_size);
  g_assert_cmpint (about.st_size, >, 6 * len);
  g_unlink (path);
}

/* A folder that may not be written: the error names the file. */
static void
test_read_only (void)
{
  g_autofree char *directory = g_build_filename (folder, "locked", NULL);
  g_autofree char *path = g_build_filename (directory, "file", NULL);
  g_autoptr (DefcnWeightsWriter) writer = sample_writer (FALSE);

  const uid_t user = geteuid ();

  g_assert_cmpint (g_mkdir (directory, 0555), ==, 0);
  if (user == 0) /* who may write everywhere */
    g_assert_cmpint (seteuid (65534), ==, 0);
  assert_unsaved (writer, path);
  g_assert_cmpint (seteuid (user), ==, 0);
  g_assert_cmpint (g_chmod (directory, 0755), ==, 0);
}

static GBytes *
bytes_at (const char *path)
{
  char *text;
  gsize size;

  g_assert_true (g_file_get_contents (path, &text, &size, NULL));
  return g_bytes_new_take (text, size);
}

/* What follows the header of a file. */
static GBytes *
data_of (const char *path)
{
  g_autoptr (GBytes) file = bytes_at (path);
  gsize size;
  const char *text = g_bytes_get_data (file, &size);
  guint64 length;

  memcpy (&length, text, 8);
  length = GUINT64_FROM_LE (length);
  g_assert_cmpuint (length % 8, ==, 0);
  return g_bytes_new (text + 8 + length, size - 8 - length);
}

/* One value of the metadata is another or a new one; order, dtypes, also those
 * that no writer makes, bytes and the other metadata are as they were. */
static void
test_set_metadata (void)
{
  static const char *const headers[] = {
    "{" TENSOR ("b", "BF16", "[2]", "8", "12") "," TENSOR ("a", "I64", "[1]",
        "0", "8") ",\"__metadata__\":{\"z\":\"\\u00e4\\n\",\"k\":\"old\",\"f\":"
                  "\"pt\"}}",
    "{" TENSOR ("b", "BF16", "[2]", "8", "12") "," TENSOR ("a", "I64", "[1]",
        "0", "8") "}",
  };
  static const char *const values[] = { "", "0.34",
    "a \"longer\" one than it was, of more than eight bytes" };
  g_autofree char *path = g_build_filename (folder, "set", NULL);
  g_autofree char *link = g_build_filename (folder, "link", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (headers) * G_N_ELEMENTS (values); i++) {
    const gboolean plain = i % G_N_ELEMENTS (headers);
    const char *value = values[i / G_N_ELEMENTS (headers)];
    g_autoptr (GBytes) before = file_of (headers[plain], 12);
    g_autoptr (GError) error = NULL;
    GStatBuf state;

    g_assert_true (g_file_set_contents (path, g_bytes_get_data (before, NULL),
        g_bytes_get_size (before), NULL));
    g_assert_cmpint (g_chmod (path, 0600), ==, 0);
    g_unlink (link);
    g_assert_cmpint (symlink ("set", link), ==, 0);
    g_autoptr (DefcnWeights) weights = defcn_weights_open (link, &error);
    g_assert_no_error (error);
    g_assert_true (defcn_weights_set_metadata (weights, "k", value, &error));
    g_assert_no_error (error);
    g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
    g_assert_cmpint (g_stat (path, &state), ==, 0);
    g_assert_cmpint (state.st_mode & 0777, ==, 0600);
    g_assert_cmpstr (defcn_weights_metadata (weights, "k"), ==,
        plain ? NULL : "old");

    g_autoptr (DefcnWeights) after = defcn_weights_open (path, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (defcn_weights_metadata (after, "k"), ==, value);
    g_assert_cmpstr (defcn_weights_metadata (after, "z"), ==,
        plain ? NULL : "\303\244\n");
    g_assert_cmpstr (defcn_weights_metadata (after, "f"), ==,
        plain ? NULL : "pt");
    g_assert_cmpstr (defcn_weights_get (after, 0)->name, ==, "b");
    g_assert_cmpint (defcn_weights_get (after, 0)->dtype, ==, DEFCN_DTYPE_BF16);
    g_assert_cmpint (defcn_weights_get (after, 1)->dtype, ==, DEFCN_DTYPE_I64);
    g_autoptr (GBytes) data = data_of (path);
    g_assert_cmpmem (g_bytes_get_data (data, NULL), g_bytes_get_size (data),
        ((const guint8[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 }), 12);
    g_assert_cmpint (count_files ("set"), ==, 1);
  }
}

/* A file that cannot be written anew is named and stays. */
static void
test_set_metadata_refused (void)
{
  g_autofree char *directory = g_build_filename (folder, "fixed", NULL);
  g_autofree char *path = g_build_filename (directory, "file", NULL);
  g_autoptr (DefcnWeightsWriter) writer = sample_writer (FALSE);
  g_autoptr (GError) error = NULL;
  const uid_t user = geteuid ();

  g_assert_cmpint (g_mkdir (directory, 0755), ==, 0);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  g_autoptr (GBytes) before = bytes_at (path);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  g_assert_cmpint (g_chmod (directory, 0555), ==, 0);
  if (user == 0) /* who may write everywhere */
    g_assert_cmpint (seteuid (65534), ==, 0);
  g_assert_false (defcn_weights_set_metadata (weights, "k", "v", &error));
  g_assert_cmpint (seteuid (user), ==, 0);
  g_assert_cmpint (g_chmod (directory, 0755), ==, 0);
  g_test_message ("%s", error->message);
  g_assert_true (g_str_has_prefix (error->message, path));
  g_autoptr (GBytes) after = bytes_at (path);
  g_assert_true (g_bytes_equal (before, after));
}

static void
open_golden (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) w = defcn_weights_open (path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (defcn_weights_count (w), >, 0);
}

static void
open_all (const char *directory, guint *n)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (directory, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      open_all (path, n);
    } else if (g_str_has_suffix (name, ".safetensors")) {
      open_golden (path);
      (*n)++;
    }
  }
}

/* Every golden file opens. */
static void
test_golden (void)
{
  g_autofree char *golden = testing_golden ("");
  guint n = 0;

  if (!golden) {
    g_test_skip ("golden");
    return;
  }
  open_all (golden, &n);
  g_assert_cmpuint (n, >, 0);
}

/* Removes @path, a file or a folder with all that is in it. */
static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *below = g_build_filename (path, name, NULL);

    remove_all (below);
  }
  g_remove (path);
}

/* A file that is cut off while it is open stays what it was; a FIFO, a device
 * and a folder are no models, and nothing waits for them. */
static void
test_outside (void)
{
  g_autofree char *path = g_strdup_printf ("%s/defcn-weights-%d",
      g_get_tmp_dir (), (int) getpid ());
  g_autofree char *fifo = g_strconcat (path, ".fifo", NULL);
  const char *const bad[] = { fifo, "/dev/zero", "/tmp" };
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree float *data = g_new0 (float, 100000);
  const gint64 dims[] = { 100000 };
  g_autoptr (GError) error = NULL;

  data[99999] = 7;
  defcn_weights_writer_add (writer, "a", DEFCN_DTYPE_F32, 1, dims, data);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (truncate (path, 10), ==, 0);
  data[99999] = 0;
  g_assert_true (defcn_weights_read (weights, defcn_weights_get (weights, 0),
      data, &error));
  g_assert_cmpfloat (data[99999], ==, 7);
  g_remove (path);

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_null (defcn_weights_open (bad[i], &error));
    g_assert_true (g_str_has_prefix (error->message, bad[i]));
    g_clear_error (&error);
    g_assert_false (defcn_weights_writer_save (writer, bad[i], &error));
    g_assert_true (g_str_has_prefix (error->message, bad[i]));
    g_clear_error (&error);
  }
  g_remove (fifo);
}

/* Names that GLib's hash does not tell apart are found as fast as others: three
 * times as many take about three times as long. */
static void
test_collisions (void)
{
  double seconds[2];

  for (int turn = 0; turn < 2; turn++) {
    const int bits = turn ? 14 : 12;
    g_autoptr (GString) header = g_string_new ("{");

    for (int i = 0; i < 1 << bits; i++) {
      g_string_append (header, i ? ",\"" : "\"");
      for (int k = 0; k < bits; k++)
        g_string_append (header, i >> k & 1 ? "Ez" : "FY");
      g_string_append (header,
          "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
    }
    g_string_append_c (header, '}');
    g_autoptr (GByteArray) file = g_byte_array_new ();
    const guint64 length = GUINT64_TO_LE ((guint64) header->len);
    g_byte_array_append (file, (const guint8 *) &length, 8);
    g_byte_array_append (file, (const guint8 *) header->str, header->len);
    g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->len);
    const clock_t start = clock ();
    g_autoptr (DefcnWeights) weights =
        defcn_weights_open_bytes (bytes, "x", NULL);
    seconds[turn] = (double) (clock () - start) / CLOCKS_PER_SEC;
    g_assert_cmpuint (defcn_weights_count (weights), ==, 1u << bits);
  }
  /* Quadratic would be sixteen times, of which a second is long. */
  g_assert_cmpfloat (seconds[1], <, 12 * seconds[0] + 0.1);
}

int
main (int argc, char **argv)
{
  heap_init (argv);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-weights-XXXXXX", NULL);
  g_test_add_func ("/weights/malformed", test_malformed);
  g_test_add_func ("/weights/malformed-files", test_malformed_files);
  g_test_add_func ("/weights/absent", test_absent);
  g_test_add_func ("/weights/accepted", test_accepted);
  g_test_add_func ("/weights/empty-tensors", test_empty_tensors);
  g_test_add_func ("/weights/leaks", test_leaks);
  g_test_add_func ("/weights/damaged", test_damaged);
  g_test_add_func ("/weights/half", test_half);
  g_test_add_func ("/weights/half-rounding", test_half_rounding);
  g_test_add_func ("/weights/bfloat-rounding", test_bfloat_rounding);
  g_test_add_func ("/weights/read", test_read);
  g_test_add_func ("/weights/round-trip", test_round_trip);
  g_test_add_func ("/weights/deterministic", test_deterministic);
  g_test_add_func ("/weights/overflow", test_overflow);
  g_test_add_func ("/weights/atomic", test_atomic);
  g_test_add_func ("/weights/streamed", test_streamed);
  g_test_add_func ("/weights/read-only", test_read_only);
  g_test_add_func ("/weights/set-metadata", test_set_metadata);
  g_test_add_func ("/weights/set-metadata/refused", test_set_metadata_refused);
  g_test_add_func ("/weights/outside", test_outside);
  g_test_add_func ("/weights/collisions", test_collisions);
  g_test_add_func ("/weights/golden", test_golden);

  const int status = g_test_run ();
  remove_all (folder);
  g_free (folder);
  return status;
}
