/* ONNX files: their bytes, their size, and what does not fit. */
#include "export/onnx.h"

#include <string.h>

#include "error.h"
#include "export/protobuf.h"
#include "folder.h"

static void
check_bytes (GByteArray *message, const char *hex)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < message->len; i++)
    g_string_append_printf (text, "%02x", message->data[i]);
  g_assert_cmpstr (text->str, ==, hex);
  g_byte_array_set_size (message, 0);
}

/* Fields are as the specification of the wire format has them: its own examples
 * first, then the ends of the range. */
static void
test_wire (void)
{
  g_autoptr (GByteArray) m = g_byte_array_new ();
  g_autoptr (GByteArray) inner = g_byte_array_new ();

  defcn_protobuf_int (m, 1, 150);
  check_bytes (m, "089601");
  defcn_protobuf_string (m, 2, "testing");
  check_bytes (m, "120774657374696e67");
  defcn_protobuf_int (inner, 1, 150);
  defcn_protobuf_message (m, 3, inner);
  check_bytes (m, "1a03089601");
  defcn_protobuf_int (m, 1, 0);
  check_bytes (m, "0800");
  defcn_protobuf_int (m, 1, 127);
  check_bytes (m, "087f");
  defcn_protobuf_int (m, 1, 128);
  check_bytes (m, "088001");
  defcn_protobuf_int (m, 1, -2);
  check_bytes (m, "08feffffffffffffffff01");
  defcn_protobuf_int (m, 1, G_MAXINT64);
  check_bytes (m, "08ffffffffffffffff7f");
  defcn_protobuf_int (m, 20, 7); /* a key of two bytes */
  check_bytes (m, "a00107");
  defcn_protobuf_float (m, 2, 1);
  check_bytes (m, "150000803f");
  defcn_protobuf_header (m, 9, G_GUINT64_CONSTANT (1) << 33);
  check_bytes (m, "4a8080808020");
}

/* Numbers 0, 1, 2, ..; counts how often it was asked. */
static void
count_up (float *values, gconstpointer tensor, gpointer asked)
{
  for (int i = 0; i < *(const int *) tensor; i++)
    values[i] = i;
  ++*(int *) asked;
}

static DefcnOnnx *
make_file (const int *n, int *asked)
{
  DefcnOnnx *onnx = defcn_onnx_new ();
  const DefcnOnnxDim dims[] = { { 0, "batch" }, { *n } };
  const gint64 size = *n;
  const char *x = defcn_onnx_input (onnx, "x", DEFCN_ONNX_FLOAT, dims, 2);

  defcn_onnx_scope (onnx, "here");
  defcn_onnx_add (onnx, "Add", x,
      defcn_onnx_tensor (onnx, "w", &size, 1, count_up, n, asked), NULL);
  defcn_onnx_call (onnx, "y");
  defcn_onnx_output (onnx, "y", DEFCN_ONNX_FLOAT, dims, 2);
  defcn_onnx_metadata (onnx, "key", "value");
  return onnx;
}

/* The size that is foretold is the file's, before and after it is written, and
 * a tensor is asked for once, when that is done. */
static void
test_size (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_file (folder, "x.onnx");
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  const int n = 1000;
  int asked = 0;
  g_autoptr (DefcnOnnx) onnx = make_file (&n, &asked);
  const guint64 size = defcn_onnx_size (onnx);
  gsize len;

  g_assert_cmpint (asked, ==, 0);
  g_assert_true (defcn_onnx_save (onnx, path, &error));
  g_assert_no_error (error);
  g_assert_cmpint (asked, ==, 1);
  g_assert_true (g_file_get_contents (path, &data, &len, NULL));
  g_assert_cmpuint (len, ==, size);
  g_assert_cmpuint (defcn_onnx_size (onnx), ==, size);
  /* tensors come last */
  float last;
  memcpy (&last, data + len - sizeof last, sizeof last);
  g_assert_cmpfloat (last, ==, 999);
  folder_remove (folder);
}

/* What is more than 2 GiB is refused by its size, before a number is asked for
 * or a file begun. */
static void
test_too_large (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_file (folder, "x.onnx");
  const gint64 dims[] = { 1 << 15, 1 << 14 }; /* 2^31 bytes */
  g_autoptr (GError) error = NULL;
  const int n = 10;
  int asked = 0;
  g_autoptr (DefcnOnnx) onnx = make_file (&n, &asked);

  g_assert_cmpuint (defcn_onnx_size (onnx), <, 1000);
  defcn_onnx_tensor (onnx, "large", dims, 2, count_up, &n, &asked);
  g_assert_cmpuint (defcn_onnx_size (onnx), >, G_MAXINT32);
  g_assert_false (defcn_onnx_save (onnx, path, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_true (g_str_has_prefix (error->message, path));
  g_assert_nonnull (strstr (error->message, "at most 2147483647"));
  g_assert_cmpint (asked, ==, 0);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  folder_remove (folder);
}

/* A constant is there once, however often it is wanted, whatever its kind: a
 * scalar is no vector of one, an int no float; a tensor by its name. */
static void
test_once (void)
{
  g_autoptr (DefcnOnnx) onnx = defcn_onnx_new ();
  const gint64 one = 1;
  const float number = 1;
  const char *names[] = { defcn_onnx_int64 (onnx, 1),
    defcn_onnx_int64s (onnx, &one, 1), defcn_onnx_number (onnx, 1),
    defcn_onnx_floats (onnx, &number, 1) };
  const int n = 1;
  guint64 size = defcn_onnx_size (onnx);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    for (gsize k = 0; k < i; k++)
      g_assert_cmpstr (names[i], !=, names[k]);
  g_assert_true (defcn_onnx_int64 (onnx, 1) == names[0]);
  g_assert_true (defcn_onnx_floats (onnx, &number, 1) == names[3]);
  g_assert_cmpuint (defcn_onnx_size (onnx), ==, size);
  defcn_onnx_tensor (onnx, "w", &one, 1, count_up, &n, NULL);
  size = defcn_onnx_size (onnx);
  defcn_onnx_tensor (onnx, "w", &one, 1, count_up, &n, NULL);
  g_assert_cmpuint (defcn_onnx_size (onnx), ==, size);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/wire", test_wire);
  g_test_add_func ("/onnx/size", test_size);
  g_test_add_func ("/onnx/too-large", test_too_large);
  g_test_add_func ("/onnx/once", test_once);
  return g_test_run ();
}
