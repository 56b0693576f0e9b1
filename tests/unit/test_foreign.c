/* Weights of other programs: .npy files, numpy's and PyTorch's pickles, zip
 * archives; made here, byte by byte. */
#include "import/formats.h"
#include "import/numpy.h"

#include <glib/gstdio.h>

#include <math.h>
#include <string.h>

/* Appends a literal with its NUL bytes. */
#define PUT(s, text) g_string_append_len (s, text, sizeof (text) - 1)

static void
put_u16 (GString *s, guint v)
{
  g_string_append_c (s, (char) v);
  g_string_append_c (s, (char) (v >> 8));
}

static void
put_u32 (GString *s, guint32 v)
{
  put_u16 (s, v & 0xffff);
  put_u16 (s, v >> 16);
}

static void
put_u64 (GString *s, guint64 v)
{
  put_u32 (s, v & G_MAXUINT32);
  put_u32 (s, v >> 32);
}

/* A zip archive under construction. */
typedef struct
{
  GString *file, *directory;
  guint n;
  guint method;   /* 0: stored; 8: deflated; others are made up */
  guint flags;    /* 1: encrypted */
  gboolean large; /* sizes and offsets in the fields of zip64 */
} Zip;

static Zip
zip_new (void)
{
  return (Zip){ g_string_new (NULL), g_string_new (NULL) };
}

static guint32
checksum (const char *data, gsize size)
{
  guint32 crc = G_MAXUINT32;

  for (gsize i = 0; i < size; i++) {
    crc ^= (guint8) data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

/* The bytes as one block of a deflate stream, which need not shrink them. */
static GString *
deflated (const char *data, gsize size)
{
  GString *s = g_string_new ("\1");

  put_u16 (s, size);
  put_u16 (s, ~size);
  return g_string_append_len (s, data, size);
}

/* Checksum and sizes, as both headers have them. */
static void
put_sizes (GString *s, const Zip *zip, guint32 crc, gsize packed, gsize size)
{
  PUT (s, "\0\0\0\0");
  put_u32 (s, crc);
  put_u32 (s, zip->large ? G_MAXUINT32 : packed);
  put_u32 (s, zip->large ? G_MAXUINT32 : size);
}

static void
zip_add (Zip *zip, const char *name, const char *data, gsize size)
{
  const guint64 offset = zip->file->len;
  const guint32 crc = checksum (data, size);
  GString *packed =
      zip->method == 8 ? deflated (data, size) : g_string_new_len (data, size);

  PUT (zip->file, "PK\3\4\55\0");
  put_u16 (zip->file, zip->flags);
  put_u16 (zip->file, zip->method);
  put_sizes (zip->file, zip, crc, packed->len, size);
  put_u16 (zip->file, strlen (name));
  put_u16 (zip->file, zip->large ? 20 : 6);
  g_string_append (zip->file, name);
  if (zip->large) {
    PUT (zip->file, "\1\0\20\0");
    put_u64 (zip->file, size);
    put_u64 (zip->file, packed->len);
  } else {
    PUT (zip->file, "FB\2\0ZZ"); /* as torch pads */
  }

  PUT (zip->directory, "PK\1\2\55\0\55\0");
  put_u16 (zip->directory, zip->flags);
  put_u16 (zip->directory, zip->method);
  put_sizes (zip->directory, zip, crc, packed->len, size);
  put_u16 (zip->directory, strlen (name));
  put_u16 (zip->directory, zip->large ? 28 : 0);
  PUT (zip->directory, "\0\0\0\0\0\0\0\0\0\0");
  put_u32 (zip->directory, zip->large ? G_MAXUINT32 : offset);
  g_string_append (zip->directory, name);
  if (zip->large) {
    PUT (zip->directory, "\1\0\30\0");
    put_u64 (zip->directory, size);
    put_u64 (zip->directory, packed->len);
    put_u64 (zip->directory, offset);
  }
  g_string_append_len (zip->file, packed->str, packed->len);
  g_string_free (packed, TRUE);
  zip->n++;
}

/* The end of an archive, which says that it has @n entries. */
static void
put_end (GString *s, const Zip *zip, guint64 n, guint64 offset)
{
  if (zip->large) {
    const guint64 end = s->len;

    PUT (s, "PK\6\6\54\0\0\0\0\0\0\0\55\0\55\0\0\0\0\0\0\0\0\0");
    put_u64 (s, n);
    put_u64 (s, n);
    put_u64 (s, zip->directory->len);
    put_u64 (s, offset);
    PUT (s, "PK\6\7\0\0\0\0");
    put_u64 (s, end);
    put_u32 (s, 1);
  }
  PUT (s, "PK\5\6\0\0\0\0");
  put_u16 (s, zip->large ? G_MAXUINT16 : n);
  put_u16 (s, zip->large ? G_MAXUINT16 : n);
  put_u32 (s, zip->large ? G_MAXUINT32 : zip->directory->len);
  put_u32 (s, zip->large ? G_MAXUINT32 : offset);
  put_u16 (s, 0);
}

/* Takes the parts of @zip, which says that it has @n entries. */
static GBytes *
zip_finish_as (Zip *zip, guint64 n)
{
  const guint64 offset = zip->file->len;

  g_string_append_len (zip->file, zip->directory->str, zip->directory->len);
  put_end (zip->file, zip, n, offset);
  g_string_free (zip->directory, TRUE);
  return g_string_free_to_bytes (zip->file);
}

static GBytes *
zip_finish (Zip *zip)
{
  return zip_finish_as (zip, zip->n);
}

static void
put_text (GString *p, const char *text)
{
  g_string_append_c (p, 'X');
  put_u32 (p, strlen (text));
  g_string_append (p, text);
}

static void
put_int (GString *p, gint64 value)
{
  const gint64 le = GINT64_TO_LE (value);

  PUT (p, "\x8a\x08");
  g_string_append_len (p, (const char *) &le, 8);
}

static void
put_ints (GString *p, int n, const gint64 *values)
{
  g_string_append_c (p, '(');
  for (int i = 0; i < n; i++)
    put_int (p, values[i]);
  g_string_append_c (p, 't');
}

/* A tensor as torch.save() pickles one. */
typedef struct
{
  const char *type, *key; /* of the storage */
  gint64 offset;
  int n_dims;
  gint64 dims[3], strides[3];
} Tensor;

static void
put_tensor (GString *p, const Tensor *t)
{
  PUT (p, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_text (p, "storage");
  g_string_append_printf (p, "ctorch\n%s\n", t->type);
  put_text (p, t->key);
  put_text (p, "cpu");
  PUT (p, "K\1tQ");
  put_int (p, t->offset);
  put_ints (p, t->n_dims, t->dims);
  put_ints (p, t->n_dims, t->strides);
  PUT (p, "\x89}tR");
}

/* The start and the end of {"model": {name: tensor}}. */
static GString *
pickle_of (const char *name, const Tensor *t)
{
  GString *p = g_string_new (NULL);

  PUT (p, "\x80\2}");
  put_text (p, "model");
  PUT (p, "ccollections\nOrderedDict\n)R");
  put_text (p, name);
  put_tensor (p, t);
  PUT (p, "ss.");
  return p;
}

/* Adds one tensor @t over @storage to @zip. */
static void
zip_add_tensor (Zip *zip, const Tensor *t, const void *storage, gsize size)
{
  GString *p = pickle_of ("t", t);

  zip_add (zip, "a/data.pkl", p->str, p->len);
  zip_add (zip, "a/data/0", storage, size);
  g_string_free (p, TRUE);
}

static GBytes *
archive_of (const Tensor *t, const void *storage, gsize size)
{
  Zip zip = zip_new ();

  zip_add_tensor (&zip, t, storage, size);
  return zip_finish (&zip);
}

/* A copy of @bytes, and where @part is in it. */
static guint8 *
copy_bytes (GBytes *bytes, guint8 **found, const void *part, gsize len)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  guint8 *copy = g_memdup2 (data, size);
  gsize at = 0;

  while (at + len <= size && memcmp (copy + at, part, len) != 0)
    at++;
  g_assert_cmpuint (at + len, <=, size);
  *found = copy + at;
  return copy;
}

static void
assert_refused (GBytes *bytes, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (bytes, FALSE, "f.pth", &error);

  g_assert_null (foreign);
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
  g_assert_true (g_str_has_prefix (error->message, "f.pth: "));
  if (!strstr (error->message, word))
    g_error ("\"%s\" does not say \"%s\"", error->message, word);
}

/* The tensor "t" of @bytes has the numbers @wanted. */
static void
assert_numbers (GBytes *bytes, const float *wanted, gsize n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (bytes, FALSE, "f.pth", &error);

  g_assert_no_error (error);
  const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, "t");
  g_assert_nonnull (t);
  g_assert_cmpuint (t->len, ==, n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (t->data[i], ==, wanted[i]);
}

/* Views of a storage are followed: dense, transposed, cut out, empty, scalar,
 * with a stride that is never taken. */
static void
test_views (void)
{
  static const float storage[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
  static const struct
  {
    Tensor t;
    gsize n;
    float wanted[8];
  } cases[] = {
    { { "FloatStorage", "0", 0, 2, { 2, 4 }, { 4, 1 } }, 8,
        { 0, 1, 2, 3, 4, 5, 6, 7 } },
    { { "FloatStorage", "0", 0, 2, { 4, 2 }, { 1, 4 } }, 8,
        { 0, 4, 1, 5, 2, 6, 3, 7 } },
    { { "FloatStorage", "0", 1, 2, { 2, 2 }, { 4, 2 } }, 4, { 1, 3, 5, 7 } },
    { { "FloatStorage", "0", 7, 0, { 0 }, { 0 } }, 1, { 7 } },
    { { "FloatStorage", "0", 3, 1, { 2 }, { 0 } }, 2, { 3, 3 } },
    { { "FloatStorage", "0", 0, 2, { 0, 9 }, { 1, 1 } }, 0, { 0 } },
    { { "FloatStorage", "0", 5, 3, { 1, 2, 1 }, { G_MAXINT64, 1, 1 } }, 2,
        { 5, 6 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        archive_of (&cases[i].t, storage, sizeof storage);

    assert_numbers (bytes, cases[i].wanted, cases[i].n);
  }
}

/* Every type of storage, little-endian. */
static void
test_types (void)
{
  static const struct
  {
    const char *type;
    guint8 bytes[16];
    gsize size;
    float wanted[2];
  } cases[] = {
    { "DoubleStorage",
        { 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0 }, 16,
        { 1.5f, -2 } },
    { "FloatStorage", { 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0 }, 8, { 1.5f, -2 } },
    { "HalfStorage", { 0, 0x3e, 0, 0xc0 }, 4, { 1.5f, -2 } },
    { "BFloat16Storage", { 0xc0, 0x3f, 0, 0xc0 }, 4, { 1.5f, -2 } },
    { "LongStorage",
        { 0, 1, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff },
        16, { 256, -2 } },
    { "IntStorage", { 0, 1, 0, 0, 0xfe, 0xff, 0xff, 0xff }, 8, { 256, -2 } },
    { "ShortStorage", { 0, 1, 0xfe, 0xff }, 4, { 256, -2 } },
    { "CharStorage", { 3, 0xfe }, 2, { 3, -2 } },
    { "ByteStorage", { 3, 0xfe }, 2, { 3, 254 } },
    { "BoolStorage", { 0, 1 }, 2, { 0, 1 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Tensor t = { cases[i].type, "0", 0, 1, { 2 }, { 1 } };
    g_autoptr (GBytes) bytes = archive_of (&t, cases[i].bytes, cases[i].size);

    assert_numbers (bytes, cases[i].wanted, 2);
  }
}

/* Views that reach beyond their storage, overlap without end, or hold what is
 * no number are refused, with the tensor's name. */
static void
test_bad_views (void)
{
  static const float storage[] = { 0, 1, 2, 3, 4, 5, INFINITY, NAN };
  static const struct
  {
    Tensor t;
    const char *word;
  } cases[] = {
    { { "FloatStorage", "0", 0, 1, { 9 }, { 1 } }, "\"t\" reaches beyond" },
    { { "FloatStorage", "0", 8, 0, { 0 }, { 0 } }, "\"t\" reaches beyond" },
    { { "FloatStorage", "0", 1, 2, { 2, 4 }, { 4, 1 } }, "reaches beyond" },
    { { "FloatStorage", "0", -1, 1, { 2 }, { 1 } }, "reaches beyond" },
    { { "FloatStorage", "0", 4, 1, { 2 }, { -1 } }, "reaches beyond" },
    { { "FloatStorage", "0", 0, 1, { -2 }, { 1 } }, "reaches beyond" },
    { { "FloatStorage", "0", 0, 2, { G_MAXINT64, G_MAXINT64 }, { 0, 0 } },
        "reaches beyond" },
    { { "FloatStorage", "0", 0, 2, { 3, 3 }, { G_MAXINT64, G_MAXINT64 } },
        "reaches beyond" },
    { { "FloatStorage", "0", G_MAXINT64, 1, { 2 }, { 1 } }, "reaches beyond" },
    { { "FloatStorage", "0", 0, 1, { 1 << 30 }, { 0 } },
        "more than the file can hold" },
    { { "DoubleStorage", "0", 0, 1, { 5 }, { 1 } }, "reaches beyond the 4" },
    { { "FloatStorage", "0", 5, 1, { 2 }, { 1 } }, "\"t\": element 1 is inf" },
    { { "FloatStorage", "0", 7, 1, { 1 }, { 1 } }, "\"t\": element 0 is " },
    { { "FloatStorage", "1", 0, 1, { 1 }, { 1 } },
        "\"t\": its numbers are not in the file" },
    { { "Size", "0", 0, 1, { 1 }, { 1 } },
        "\"t\": its numbers are not in the file" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        archive_of (&cases[i].t, storage, sizeof storage);

    assert_refused (bytes, cases[i].word);
  }
}

/* Tensors that share one storage may not multiply without end. */
static void
test_sharing (void)
{
  const Tensor t = { "FloatStorage", "0", 0, 1, { 10000 }, { 1 } };
  g_autofree float *storage = g_new0 (float, 10000);
  GString *p = g_string_new ("}");
  Zip zip = zip_new ();

  for (int i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf ("t%d", i);

    put_text (p, name);
    put_tensor (p, &t);
    g_string_append_c (p, 's');
  }
  g_string_append_c (p, '.');
  zip_add (&zip, "a/data.pkl", p->str, p->len);
  zip_add (&zip, "a/data/0", (const char *) storage, 40000);
  g_string_free (p, TRUE);
  g_autoptr (GBytes) bytes = zip_finish (&zip);
  assert_refused (bytes, "more than the file can hold");
}

/* Where the tensors are, and what else a checkpoint has: bare dicts, the
 * prefix "module.", parameters, attributes, the optimizer. */
static void
test_checkpoint (void)
{
  static const float storage[] = { 1, 2 };
  static const Tensor t = { "FloatStorage", "0", 0, 1, { 2 }, { 1 } };
  GString *p = g_string_new ("}");
  Zip zip = zip_new ();
  g_autoptr (GError) error = NULL;

  put_text (p, "state_dict");
  PUT (p, "ccollections\nOrderedDict\n)R(");
  put_text (p, "module.a");
  put_tensor (p, &t);
  put_text (p, "module.b");
  PUT (p, "ctorch._utils\n_rebuild_parameter\n(");
  put_tensor (p, &t);
  PUT (p, "\x88}tR");
  put_text (p, "module.c");
  PUT (p, "K\1u}");
  put_text (p, "_metadata");
  g_string_append_c (p, '}');
  put_text (p, "module.n");
  g_string_append_c (p, '}');
  put_text (p, "version");
  PUT (p, "K\2sssbs");
  put_text (p, "iteration");
  PUT (p, "K\x07s");
  put_text (p, "optimizer");
  PUT (p, "}(");
  put_text (p, "state");
  PUT (p, "}(K\5}");
  put_text (p, "momentum_buffer");
  put_tensor (p, &t);
  PUT (p, "sK\6}u");
  put_text (p, "param_groups");
  PUT (p, "](}");
  put_text (p, "params");
  PUT (p, "](K\6K\5es}");
  put_text (p, "params");
  PUT (p, "]K\3aseus.");
  zip_add (&zip, "a/data.pkl", p->str, p->len);
  zip_add (&zip, "a/byteorder", "little", 6);
  zip_add (&zip, "a/data/0", (const char *) storage, sizeof storage);
  g_string_free (p, TRUE);

  g_autoptr (GBytes) bytes = zip_finish (&zip);
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (bytes, FALSE, "x", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (foreign->tensors->len, ==, 2);
  g_assert_nonnull (defcn_foreign_lookup (foreign, "a"));
  g_assert_nonnull (defcn_foreign_lookup (foreign, "b"));
  g_assert_cmpint (foreign->iteration, ==, 7);
  g_assert_cmpint (GPOINTER_TO_INT (
                       g_hash_table_lookup (foreign->versions, "n")),
      ==, 2);
  g_assert_cmpuint (foreign->momentum->len, ==, 3);
  g_assert_null (foreign->momentum->pdata[0]);
  g_assert_nonnull (foreign->momentum->pdata[1]);
  g_assert_null (foreign->momentum->pdata[2]);
}

/* Archives that are damaged or of something else. */
static void
test_archives (void)
{
  static const Tensor t = { "FloatStorage", "0", 0, 1, { 1 }, { 1 } };
  static const float one = 1;
  g_autoptr (GBytes) good = archive_of (&t, &one, sizeof one);
  gsize size;
  const guint8 *data = g_bytes_get_data (good, &size);

  assert_numbers (good, &one, 1);
  for (gsize n = 0; n < size; n++) {
    g_autoptr (GBytes) prefix = g_bytes_new (data, n);

    assert_refused (prefix, "");
  }
  for (gsize i = 0; i < size; i++) {
    g_autofree guint8 *copy = g_memdup2 (data, size);

    copy[i] ^= 0x81;
    g_autoptr (GBytes) changed = g_bytes_new (copy, size);
    defcn_foreign_free (defcn_formats_open_bytes (changed, FALSE, "x", NULL));
  }

  const struct
  {
    const char *names[3];
    guint method, flags;
    const char *word;
  } cases[] = {
    { { "a/data.pkl", "a/data/0", "a/byteorder" }, 0, 0, "little-endian" },
    { { "a/data.pkl" }, 97, 0, "\"a/data.pkl\": Compression method" },
    { { "a/data.pkl" }, 0, 1, "\"a/data.pkl\": No password" },
    { { "a/data.pkl", "a/data.pkl" }, 0, 0, "\"a/data.pkl\" is there twice" },
    { { "a/other" }, 0, 0, "no data.pkl" },
    { { "a", "model_final.pth" }, 0, 0, "\"model_final.pth\" in it: unpack" },
    { { "arr_0.npy" }, 0, 0, "an .npz of NumPy" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    Zip zip = zip_new ();

    zip.method = cases[i].method;
    zip.flags = cases[i].flags;
    for (int k = 0; k < 3 && cases[i].names[k]; k++)
      zip_add (&zip, cases[i].names[k], "big", 3);
    g_autoptr (GBytes) bytes = zip_finish (&zip);
    assert_refused (bytes, cases[i].word);
  }

  Zip script = zip_new ();
  zip_add (&script, "a/code/__torch__.py", "x", 1);
  zip_add (&script, "a/constants.pkl", "\x80\2).", 4);
  zip_add (&script, "a/data.pkl", "\x80\2}.", 4);
  g_autoptr (GBytes) bytes = zip_finish (&script);
  assert_refused (bytes, "TorchScript");
}

/* What people take for weights is told what it is, also where it is cut off;
 * nothing is told of what may be weights. */
static void
test_others (void)
{
  static const struct
  {
    const char *text, *word;
  } cases[] = {
    { "", "it is empty" },
    { "<!DOCTYPE html><html>", "a page of a web server" },
    { "\xef\xbb\xbf \r\n<html>", "a page of a web server" },
    { "<?xml version=\"1.0\"?><Error>", "a page of a web server" },
    { "{\"message\":\"Not Found\"}", "JSON" },
    { "\n[1]", "JSON" },
    { "version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs" },
    { "\x08\x07\x12\x07pytorch\x1a\x031.9", "ONNX" },
    { "\x08\x08:\xff\x01", "ONNX" },
    { "\x1f\x8b\x08", "gzip" },
    { "BZh9", "bzip2" },
    { "\x89HDF\r\n\x1a\n", "HDF5" },
    { "\x93NUMPY\x01", "one array of NumPy" },
    { "GGUF\3", "GGUF" },
    { "\x1c   TFL3", "TensorFlow Lite" },
    { "\x1f", "too short" },
    { "version", "too short" },
    { "\x08\x07\x13\x07pytorch", "not a safetensors file" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        g_bytes_new (cases[i].text, strlen (cases[i].text));

    assert_refused (bytes, cases[i].word);
  }

  /* safetensors are not, though the length of their header looks like those */
  for (const char *first = "<{["; *first; first++) {
    char file[8 + 128] = { *first };

    memset (file + 8, ' ', *first);
    memcpy (file + 8, "{}", 2);
    g_autoptr (GBytes) empty = g_bytes_new (file, 8 + *first);
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnForeign) foreign =
        defcn_formats_open_bytes (empty, FALSE, "x", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (foreign->tensors->len, ==, 0);
  }

  char tar[512] = "model/weights";
  memcpy (tar + 257, "ustar", 5);
  g_autoptr (GBytes) bytes = g_bytes_new (tar, sizeof tar);
  assert_refused (bytes, "PyTorch before 0.1.10");
}

/* Entries may be compressed and an archive of the kind for more than 4 GiB; a
 * tensor's number that differs from what was written is seen. */
static void
test_kinds (void)
{
  static const Tensor t = { "FloatStorage", "0", 0, 1, { 2 }, { 1 } };
  static const float numbers[] = { 1.5f, -2 };
  static const struct
  {
    guint method;
    gboolean large;
  } cases[] = { { 0, FALSE }, { 8, FALSE }, { 0, TRUE }, { 8, TRUE } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    Zip zip = zip_new ();

    zip.method = cases[i].method;
    zip.large = cases[i].large;
    zip_add_tensor (&zip, &t, numbers, sizeof numbers);
    g_autoptr (GBytes) bytes = zip_finish (&zip);
    assert_numbers (bytes, numbers, 2);

    guint8 *number;
    g_autofree guint8 *copy =
        copy_bytes (bytes, &number, numbers, sizeof numbers);
    number[1] ^= 1;
    g_autoptr (GBytes) changed = g_bytes_new (copy, g_bytes_get_size (bytes));
    assert_refused (changed, "\"a/data/0\" is damaged or cut off: CRC");
  }
}

/* What an archive claims is not believed: sizes, a number of entries, how much
 * a few bytes unpack to. */
static void
test_claims (void)
{
  static const Tensor t = { "FloatStorage", "0", 0, 1, { 1 }, { 1 } };
  static const guint64 counts[] = { 0, 3, 60000, 1 << 28,
    G_GUINT64_CONSTANT (1) << 40, G_MAXUINT64 };
  static const float one = 1;

  /* The directory gives the first entry more bytes than follow it: a few, and
   * more than memory has. */
  for (int byte = 1; byte < 4; byte += 2) {
    g_autoptr (GBytes) good = archive_of (&t, &one, sizeof one);
    guint8 *entry;
    g_autofree guint8 *longer = copy_bytes (good, &entry, "PK\1\2", 4);

    entry[20 + byte] = entry[24 + byte] = 0x7f;
    g_autoptr (GBytes) bytes = g_bytes_new (longer, g_bytes_get_size (good));
    assert_refused (bytes,
        byte == 1 ? "\"a/data.pkl\" is damaged or cut off"
                  : "more than the file can hold");
  }

  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++) {
    Zip zip = zip_new ();

    zip.large = counts[i] > G_MAXUINT16;
    zip_add_tensor (&zip, &t, &one, sizeof one);
    g_autoptr (GBytes) bytes = zip_finish_as (&zip, counts[i]);
    assert_refused (bytes, "");
  }

  Zip crowded = zip_new ();
  crowded.large = TRUE;
  zip_add_tensor (&crowded, &t, &one, sizeof one);
  for (int i = 0; i < 100000; i++) {
    char name[16];

    g_snprintf (name, sizeof name, "%d", i);
    zip_add (&crowded, name, "", 0);
  }
  g_autoptr (GBytes) entries = zip_finish (&crowded);
  assert_refused (entries, "100002 entries");
}

/* Tensors that take turns over two storages read them again and again: a few
 * times is well, without end is not. */
static void
test_turns (void)
{
  static const guint turns[] = { 4, 40 };
  static const gsize size = 400000;
  g_autofree char *storage = g_malloc0 (size);

  for (gsize i = 0; i < G_N_ELEMENTS (turns); i++) {
    GString *p = g_string_new ("}");
    Zip zip = zip_new ();

    for (guint k = 0; k < turns[i]; k++) {
      const Tensor t = { "FloatStorage", k % 2 ? "1" : "0", 0, 1, { 1 },
        { 1 } };
      g_autofree char *name = g_strdup_printf ("t%u", k);

      put_text (p, name);
      put_tensor (p, &t);
      g_string_append_c (p, 's');
    }
    g_string_append_c (p, '.');
    zip_add (&zip, "a/data.pkl", p->str, p->len);
    zip_add (&zip, "a/data/0", storage, size);
    zip_add (&zip, "a/data/1", storage, size);
    g_string_free (p, TRUE);
    g_autoptr (GBytes) bytes = zip_finish (&zip);
    g_autoptr (DefcnForeign) foreign =
        defcn_formats_open_bytes (bytes, FALSE, "x", NULL);
    if (i == 0)
      g_assert_cmpuint (foreign->tensors->len, ==, 4);
    else
      assert_refused (bytes, "more than 16 times the file is read");
  }
}

/* A stream as PyTorch wrote it before 1.6, and what can be wrong with it. */
static void
test_stream (void)
{
  static const Tensor t = { "HalfStorage", "77", 1, 1, { 2 }, { 1 } };
  static const float wanted[] = { 1.5f, -2 };
  const char *const protocols[] = { "M\xe9\3.", "M\xe8\3." };
  const char *const orders[] = { "}X\15\0\0\0little_endian\x88s.",
    "}X\15\0\0\0little_endian\x89s." };
  static const struct
  {
    int protocol, order;
    const char *key;
    gsize cut;
    const char *word; /* NULL: good */
  } cases[] = {
    { 0, 0, "77", 0, NULL },
    { 1, 0, "77", 0, "protocol 1001" },
    { 0, 1, "77", 0, "little-endian" },
    { 0, 0, "78", 0, "type of storage \"78\"" },
    { 0, 0, "77", 1, "cut off within storage \"77\"" },
    { 0, 0, "77", 7, "cut off before storage \"77\"" },
    { 0, 0, "77", 20, "cut off" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    GString *file = g_string_new (NULL);
    GString *p = pickle_of ("t", &t);

    PUT (file, "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
    g_string_append_len (file, protocols[cases[i].protocol], 4);
    g_string_append_len (file, orders[cases[i].order], 22);
    g_string_append_len (file, p->str, p->len);
    g_string_free (p, TRUE);
    g_string_append_c (file, ']');
    put_text (file, cases[i].key);
    PUT (file, "a.\3\0\0\0\0\0\0\0\0\0\0\x3e\0\xc0");
    g_string_truncate (file, file->len - cases[i].cut);
    g_autoptr (GBytes) bytes = g_string_free_to_bytes (file);
    if (cases[i].word)
      assert_refused (bytes, cases[i].word);
    else
      assert_numbers (bytes, wanted, 2);
  }
}

/* The .npy file of @header and @data. */
static GBytes *
npy_of (int version, const char *header, const char *data, gsize size)
{
  GString *s = g_string_new (NULL);

  PUT (s, "\x93NUMPY");
  g_string_append_c (s, (char) version);
  g_string_append_c (s, '\0');
  if (version == 1)
    put_u16 (s, strlen (header));
  else
    put_u32 (s, strlen (header));
  g_string_append (s, header);
  g_string_append_len (s, data, size);
  return g_string_free_to_bytes (s);
}

/* What the header of a .npy file says is what the array is, in each version of
 * the format. */
static void
test_npy (void)
{
  static const struct
  {
    const char *header;
    int n_dims;
    gint64 dims[2], strides[2];
    DefcnElement element;
    gboolean big_endian;
  } cases[] = {
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 2,
        { 2, 3 }, { 3, 1 }, DEFCN_ELEMENT_F32, FALSE },
    { "{ \"shape\":(2,3),\"fortran_order\":True,\"descr\":\">f8\" }", 2,
        { 2, 3 }, { 1, 2 }, DEFCN_ELEMENT_F64, TRUE },
    { "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }", 1, { 7 },
        { 1 }, DEFCN_ELEMENT_U8, FALSE },
    { "{'descr': '<f2', 'fortran_order': False, 'shape': (), }", 0, { 0 },
        { 0 }, DEFCN_ELEMENT_F16, FALSE },
    { "{'descr': '=i8', 'fortran_order': False, 'shape': (3L, 1L), }", 2,
        { 3, 1 }, { 1, 1 }, DEFCN_ELEMENT_I64, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        npy_of (1 + i % 3, cases[i].header, "abcdefg", 7);
    g_autoptr (GError) error = NULL;
    DefcnForeignArray array;
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    g_assert_true (defcn_numpy_parse (&array, data, size, "x", &error));
    g_assert_cmpint (array.n_dims, ==, cases[i].n_dims);
    g_assert_cmpint (array.element, ==, cases[i].element);
    g_assert_cmpint (array.big_endian, ==, cases[i].big_endian);
    g_assert_cmpuint (array.bytes, ==, 7);
    g_assert_cmpint (array.data[0], ==, 'a');
    for (int d = 0; d < array.n_dims; d++) {
      g_assert_cmpint (array.dims[d], ==, cases[i].dims[d]);
      g_assert_cmpint (array.strides[d], ==, cases[i].strides[d]);
    }
  }
}

/* Headers that are not one, of any length. */
static void
test_bad_npy (void)
{
  static const char *const headers[] = {
    "",
    "{",
    "{}",
    "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'shape': (2,)}",
    "{'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': 'O', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 2, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}",
    ("{'descr': '<f4', 'fortran_order': False, 'shape': "
     "(9999999999999999999,)}"),
  };
  DefcnForeignArray array;

  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++) {
    g_autoptr (GBytes) bytes = npy_of (1, headers[i], "abcd", 4);
    g_autoptr (GError) error = NULL;
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    g_assert_false (defcn_numpy_parse (&array, data, size, "x.npy", &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_true (g_str_has_prefix (error->message, "x.npy: "));
  }

  g_autoptr (GBytes) good = npy_of (1,
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "", 0);
  gsize size;
  const guint8 *data = g_bytes_get_data (good, &size);
  for (gsize n = 0; n < size; n++)
    g_assert_false (defcn_numpy_parse (&array, data, n, "x", NULL));
  g_assert_true (defcn_numpy_parse (&array, data, size, "x", NULL));
}

/* Safetensors of every kind of number; those that no weights are of are left
 * out. */
static void
test_safetensors (void)
{
  static const char header[] =
      "{\"i64\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
      "\"i32\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[16,24]},"
      "\"f32\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[24,32]},"
      "\"f16\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[32,36]},"
      "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[36,40]},"
      "\"u8\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[40,42]},"
      "\"i8\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[42,44]},"
      "\"i16\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[44,48]},"
      "\"f64\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[48,64]},"
      "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[2],"
      "\"data_offsets\":[64,66]},"
      "\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],"
      "\"data_offsets\":[66,68]},"
      "\"u32\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[68,72]}}";
  static const char data[] =
      "\7\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff" /* 7 -2 */
      "\5\0\0\0\xfd\xff\xff\xff"                         /* 5 -3 */
      "\0\0\xc0\x3f\0\0\0\xc0"                           /* 1.5 -2 */
      "\0\x3e\0\xc0"                                     /* likewise */
      "\xc0\x3f\0\xc0"                                   /* likewise */
      "\3\xc8"                                           /* 3 200 */
      "\3\xfe"                                           /* 3 -2 */
      "\3\0\xfe\xff"                                     /* 3 -2 */
      "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\0\xc0"           /* 1.5 -2 */
      "\0\1"                                             /* no, yes */
      "\1\2"
      "\1\0\0\0";
  static const struct
  {
    const char *name;
    float values[2];
  } cases[] = { { "i64", { 7, -2 } }, { "i32", { 5, -3 } },
    { "f32", { 1.5f, -2 } }, { "f16", { 1.5f, -2 } }, { "bf16", { 1.5f, -2 } },
    { "u8", { 3, 200 } }, { "i8", { 3, -2 } }, { "i16", { 3, -2 } },
    { "f64", { 1.5f, -2 } }, { "bool", { 0, 1 } } };
  g_autoptr (GByteArray) file = g_byte_array_new ();
  const guint64 len = GUINT64_TO_LE (sizeof header - 1);
  g_autoptr (GError) error = NULL;

  g_byte_array_append (file, (const guint8 *) &len, sizeof len);
  g_byte_array_append (file, (const guint8 *) header, sizeof header - 1);
  g_byte_array_append (file, (const guint8 *) data, sizeof data - 1);
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->len);
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (bytes, FALSE, "kinds", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (foreign->format, ==, "safetensors");
  g_assert_cmpuint (foreign->tensors->len, ==, G_N_ELEMENTS (cases));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, cases[i].name);

    g_assert_cmpint (t->n_dims, ==, g_str_equal (t->name, "f32") ? 2 : 1);
    g_assert_cmpint (t->dims[0], ==, 2);
    for (int k = 0; k < 2; k++)
      g_assert_cmpfloat (t->data[k], ==, cases[i].values[k]);
  }
}

/* A folder of .npy files is a set of tensors named after them; a bad file is
 * named, and a folder without any. */
static void
test_folder (void)
{
  static const char header[] =
      "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 2)}";
  g_autofree char *folder = g_dir_make_tmp ("defcn-npy-XXXXXX", NULL);
  g_autofree char *a = g_build_filename (folder, "l.weight.npy", NULL);
  g_autofree char *other = g_build_filename (folder, "README", NULL);
  g_autoptr (GBytes) bytes =
      npy_of (1, header, "\x3f\x80\0\0\x40\0\0\0\x40\x40\0\0\x40\x80\0\0", 16);
  g_autoptr (GError) error = NULL;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  g_assert_true (g_file_set_contents (other, "x", 1, NULL));
  g_assert_null (defcn_formats_open (folder, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "no .npy"));
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (a, data, size, NULL));
  g_autoptr (DefcnForeign) foreign = defcn_formats_open (folder, FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (foreign->tensors->len, ==, 1);
  const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, "l.weight");
  const float wanted[] = { 1, 3, 2, 4 };
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat (t->data[i], ==, wanted[i]);

  g_assert_true (g_file_set_contents (a, data, size - 1, NULL));
  g_assert_null (defcn_formats_open (folder, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "\"l.weight\""));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (a, "", 0, NULL));
  g_assert_null (defcn_formats_open (folder, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "l.weight.npy"));
  g_unlink (a);
  g_unlink (other);
  g_rmdir (folder);
}

/* A pickled dict of one array: @dtype, its byte order, Fortran order or not,
 * shape (2, 2), @bytes. */
static GBytes *
numpy_pickle (const char *dtype, const char *order, gboolean fortran,
    const char *bytes, gsize size)
{
  static const gint64 shape[] = { 2, 2 };
  GString *p = g_string_new (NULL);

  PUT (p, "\x80\2}");
  put_text (p, "__author__");
  put_text (p, "torchvision");
  g_string_append_c (p, 's');
  put_text (p, "blobs");
  g_string_append_c (p, '}');
  put_text (p, "t");
  PUT (p, "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85");
  PUT (p, "U\1b\x87R(K\1");
  put_ints (p, 2, shape);
  PUT (p, "cnumpy\ndtype\n");
  put_text (p, dtype);
  PUT (p, "K\0K\1\x87R(K\3");
  put_text (p, order);
  PUT (p, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb");
  g_string_append (p, fortran ? "\x88" : "\x89");
  g_string_append_c (p, 'T');
  put_u32 (p, size);
  g_string_append_len (p, bytes, size);
  PUT (p, "tbss.");
  return g_string_free_to_bytes (p);
}

/* Pickled arrays of each order; wrong types and sizes are refused. */
static void
test_numpy_pickle (void)
{
  static const float c_order[] = { 1, 2, 3, 4 }, f_order[] = { 1, 3, 2, 4 };
  g_autoptr (GBytes) a = numpy_pickle ("i1", "|", FALSE, "\1\2\3\4", 4);
  g_autoptr (GBytes) b = numpy_pickle ("u1", "|", TRUE, "\1\2\3\4", 4);
  g_autoptr (GBytes) c = numpy_pickle ("i2", ">", FALSE, "\0\1\0\2\0\3\0\4", 8);
  g_autoptr (GBytes) d = numpy_pickle ("O8", "|", FALSE, "", 0);
  g_autoptr (GBytes) e = numpy_pickle ("f4", "<", FALSE, "\0\0\0\0", 4);
  g_autoptr (GBytes) f = g_bytes_new_static ("\x80\2}.", 4);

  assert_numbers (a, c_order, 4);
  assert_numbers (b, f_order, 4);
  assert_numbers (c, c_order, 4);
  assert_refused (d, "\"t\" is not an array");
  assert_refused (e, "\"t\" reaches beyond");
  assert_refused (f, "no dict of arrays");

  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (a, FALSE, "x", NULL);
  g_assert_cmpstr (foreign->author, ==, "torchvision");
}

/* A safetensors file is one whatever its first bytes, the length of its header,
 * look like. */
static void
test_header_lengths (void)
{
  static const char entry[] =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  static const gsize lengths[] = { 640, 27688, 29736, 29824, 0x2828, 0x7d00 };

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autoptr (GString) file = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    put_u64 (file, lengths[i]);
    g_string_append (file, entry);
    while (file->len < 8 + lengths[i])
      g_string_append_c (file, ' ');
    put_u32 (file, 0x3f800000);
    g_autoptr (GBytes) bytes = g_bytes_new (file->str, file->len);
    g_autoptr (DefcnForeign) foreign =
        defcn_formats_open_bytes (bytes, FALSE, "x", &error);
    g_assert_no_error (error);
    g_assert_cmpstr (foreign->format, ==, "safetensors");
    g_assert_cmpfloat (defcn_foreign_lookup (foreign, "a")->data[0], ==, 1);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/foreign/views", test_views);
  g_test_add_func ("/foreign/others", test_others);
  g_test_add_func ("/foreign/types", test_types);
  g_test_add_func ("/foreign/bad-views", test_bad_views);
  g_test_add_func ("/foreign/sharing", test_sharing);
  g_test_add_func ("/foreign/checkpoint", test_checkpoint);
  g_test_add_func ("/foreign/archives", test_archives);
  g_test_add_func ("/foreign/kinds", test_kinds);
  g_test_add_func ("/foreign/claims", test_claims);
  g_test_add_func ("/foreign/turns", test_turns);
  g_test_add_func ("/foreign/stream", test_stream);
  g_test_add_func ("/foreign/npy", test_npy);
  g_test_add_func ("/foreign/bad-npy", test_bad_npy);
  g_test_add_func ("/foreign/safetensors", test_safetensors);
  g_test_add_func ("/foreign/folder", test_folder);
  g_test_add_func ("/foreign/header-lengths", test_header_lengths);
  g_test_add_func ("/foreign/numpy-pickle", test_numpy_pickle);
  return g_test_run ();
}
