/* The model file: a safetensors reader that trusts nothing. */
#include "weights.h"

#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"

#define MAX_HEADER ((guint64) 100 << 20)

static const struct
{
  const char *name;
  gsize bytes;
} dtypes[] = {
  [DEFCN_DTYPE_F32] = { "F32", 4 },
  [DEFCN_DTYPE_F16] = { "F16", 2 },
  [DEFCN_DTYPE_BF16] = { "BF16", 2 },
  [DEFCN_DTYPE_F64] = { "F64", 8 },
  [DEFCN_DTYPE_I64] = { "I64", 8 },
  [DEFCN_DTYPE_I32] = { "I32", 4 },
  [DEFCN_DTYPE_I16] = { "I16", 2 },
  [DEFCN_DTYPE_I8] = { "I8", 1 },
  [DEFCN_DTYPE_U64] = { "U64", 8 },
  [DEFCN_DTYPE_U32] = { "U32", 4 },
  [DEFCN_DTYPE_U16] = { "U16", 2 },
  [DEFCN_DTYPE_U8] = { "U8", 1 },
  [DEFCN_DTYPE_BOOL] = { "BOOL", 1 },
  [DEFCN_DTYPE_F8_E4M3] = { "F8_E4M3", 1 },
  [DEFCN_DTYPE_F8_E5M2] = { "F8_E5M2", 1 },
};

struct _DefcnWeights
{
  char *path;
  GBytes *bytes;
  cJSON *header;   /* owns the names and the metadata strings */
  GArray *tensors; /* of DefcnWeightsTensor */
  GTree *by_name;  /* name -> index + 1; by order: files know of hashes */
};

G_GNUC_PRINTF (3, 4)
static gboolean
fail (GError **error, const DefcnWeights *weights, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", weights->path,
      text);
  return FALSE;
}

/* A whole number of a JSON item, exact up to 2^53. */
static gboolean
read_size (guint64 *value, const cJSON *item)
{
  if (!cJSON_IsNumber (item) || !(item->valuedouble >= 0)
      || item->valuedouble > 9007199254740992.0
      || item->valuedouble != floor (item->valuedouble))
    return FALSE;
  *value = item->valuedouble;
  return TRUE;
}

static gboolean
read_dtype (DefcnWeightsTensor *t, const cJSON *item)
{
  const char *name =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (item, "dtype"));

  for (gsize i = 0; name && i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (name, dtypes[i].name)) {
      t->dtype = i;
      return TRUE;
    }
  }
  return FALSE;
}

/* dims and their product; FALSE for more than 8, negatives and overflow. */
static gboolean
read_shape (DefcnWeightsTensor *t, const cJSON *item)
{
  const cJSON *shape = cJSON_GetObjectItemCaseSensitive (item, "shape");
  const cJSON *dim;

  if (!cJSON_IsArray (shape))
    return FALSE;
  t->len = 1;
  cJSON_ArrayForEach (dim, shape)
  {
    guint64 size;

    if (t->n_dims == DEFCN_WEIGHTS_MAX_DIMS || !read_size (&size, dim)
        || !g_size_checked_mul (&t->len, t->len, size))
      return FALSE;
    t->dims[t->n_dims++] = size;
  }
  return t->len <= G_MAXSIZE / 8;
}

static gboolean
read_offsets (guint64 offsets[2], const cJSON *item)
{
  const cJSON *pair = cJSON_GetObjectItemCaseSensitive (item, "data_offsets");

  return cJSON_IsArray (pair) && cJSON_GetArraySize (pair) == 2
      && read_size (&offsets[0], cJSON_GetArrayItem (pair, 0))
      && read_size (&offsets[1], cJSON_GetArrayItem (pair, 1))
      && offsets[0] <= offsets[1];
}

/* "dtype", "shape" and "data_offsets", each once. */
static gboolean
has_three_fields (const cJSON *item)
{
  static const char *const names[] = { "dtype", "shape", "data_offsets" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (!cJSON_GetObjectItemCaseSensitive (item, names[i]))
      return FALSE;
  return cJSON_GetArraySize (item) == G_N_ELEMENTS (names);
}

static gboolean
read_tensor (DefcnWeights *weights, const cJSON *item, const char *data,
    guint64 available, GError **error)
{
  DefcnWeightsTensor t = { .name = item->string };
  guint64 offsets[2];

  if (!g_utf8_validate (t.name, -1, NULL) || t.name[0] == '\0')
    return fail (error, weights, "a tensor's name is not UTF-8 text");
  if (!cJSON_IsObject (item) || !has_three_fields (item))
    return fail (error, weights,
        "tensor \"%s\" is not an object of dtype, shape and data_offsets",
        t.name);
  if (!read_dtype (&t, item))
    return fail (error, weights,
        "tensor \"%s\": its dtype is none of safetensors", t.name);
  if (!read_shape (&t, item))
    return fail (error, weights,
        "tensor \"%s\": its shape is not up to %d sizes that fit memory",
        t.name, DEFCN_WEIGHTS_MAX_DIMS);
  if (!read_offsets (offsets, item) || offsets[1] > available)
    return fail (error, weights,
        "tensor \"%s\": its data_offsets are not within the %" G_GUINT64_FORMAT
        " bytes of data",
        t.name, available);
  if (offsets[1] - offsets[0] != t.len * dtypes[t.dtype].bytes)
    return fail (error, weights,
        "tensor \"%s\": %" G_GUINT64_FORMAT
        " bytes of data for %" G_GSIZE_FORMAT " elements of %s",
        t.name, offsets[1] - offsets[0], t.len, dtypes[t.dtype].name);
  if (g_tree_lookup (weights->by_name, t.name))
    return fail (error, weights, "tensor \"%s\" is there twice", t.name);

  t.data = data + offsets[0];
  g_array_append_val (weights->tensors, t);
  g_tree_insert (weights->by_name, (char *) t.name,
      GUINT_TO_POINTER (weights->tensors->len));
  return TRUE;
}

static gboolean
check_metadata (DefcnWeights *weights, const cJSON *metadata, GError **error)
{
  const cJSON *item;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (!cJSON_IsObject (metadata))
    return fail (error, weights, "\"__metadata__\" is not a JSON object");
  cJSON_ArrayForEach (item, metadata)
  {
    if (!cJSON_IsString (item))
      return fail (error, weights, "metadata \"%s\" is not a string",
          item->string);
    if (!g_hash_table_add (seen, item->string))
      return fail (error, weights, "metadata \"%s\" is there twice",
          item->string);
  }
  return TRUE;
}

static int
by_position (gconstpointer a, gconstpointer b)
{
  const DefcnWeightsTensor *const *p = a, *const *q = b;
  const char *x = (*p)->data, *y = (*q)->data;

  if (x == y) /* empty tensors come first at their place */
    return ((*p)->len > 0) - ((*q)->len > 0);
  return x < y ? -1 : 1;
}

/* The tensors fill the data without gap or overlap. */
static gboolean
check_cover (DefcnWeights *weights, const char *data, guint64 available,
    GError **error)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new ();
  const char *next = data;

  for (guint i = 0; i < weights->tensors->len; i++)
    g_ptr_array_add (order,
        &g_array_index (weights->tensors, DefcnWeightsTensor, i));
  g_ptr_array_sort (order, by_position);
  for (guint i = 0; i < order->len; i++) {
    const DefcnWeightsTensor *t = order->pdata[i];

    if ((const char *) t->data != next)
      return fail (error, weights, "tensor \"%s\" %s", t->name,
          (const char *) t->data < next ? "overlaps another"
                                        : "leaves a gap before it");
    next += t->len * dtypes[t->dtype].bytes;
  }
  if (next != data + available)
    return fail (error, weights, "%" G_GUINT64_FORMAT " bytes too many",
        (guint64) (data + available - next));
  return TRUE;
}

/* A NUL byte, as such or as \u0000, which would end a name early. */
static gboolean
has_nul (const char *text, gsize len)
{
  static const char escape[] = "\\u0000";

  if (memchr (text, '\0', len))
    return TRUE;
  for (gsize i = 0; i + 6 <= len; i++) {
    if (text[i] != '\\')
      continue;
    if (memcmp (text + i, escape, 6) == 0)
      return TRUE;
    i++; /* what is escaped starts no escape */
  }
  return FALSE;
}

/* What the file may be, by its first eight bytes. */
static const char *
hint (const char *file)
{
  if (memcmp (file, "version ", 8) == 0)
    return " (a pointer of git-lfs? git lfs pull brings the file itself)";
  if (memcmp (file, "PK\3\4", 4) == 0 || (guint8) file[0] == 0x80)
    return " (of PyTorch? defcn import reads that)";
  return "";
}

/* Of the JSON behind the first eight bytes. */
static guint64
header_length (gconstpointer file)
{
  guint64 length;

  memcpy (&length, file, 8);
  return GUINT64_FROM_LE (length);
}

static gboolean
read_header (DefcnWeights *weights, GError **error)
{
  gsize size;
  const char *file = g_bytes_get_data (weights->bytes, &size);
  const cJSON *item;
  gboolean has_metadata = FALSE;

  if (size < 8)
    return fail (error, weights, "too short for a safetensors file");

  const guint64 length = header_length (file);
  if (length > MAX_HEADER || length > size - 8)
    return fail (error, weights,
        "not a safetensors file, or cut off: the header would have "
        "%" G_GUINT64_FORMAT " bytes%s",
        length, hint (file));
  if (has_nul (file + 8, length))
    return fail (error, weights, "its header has a NUL byte");

  const char *end = NULL;
  weights->header = cJSON_ParseWithLengthOpts (file + 8, length, &end, FALSE);
  if (!cJSON_IsObject (weights->header))
    return fail (error, weights, "its header is not a JSON object");
  for (; end < file + 8 + length; end++)
    if (!strchr (" \t\r\n", *end))
      return fail (error, weights, "its header has more than a JSON object");

  const char *data = file + 8 + length;
  const guint64 available = size - 8 - length;
  cJSON_ArrayForEach (item, weights->header)
  {
    if (g_str_equal (item->string, "__metadata__")) {
      if (has_metadata)
        return fail (error, weights, "\"__metadata__\" is there twice");
      has_metadata = TRUE;
      if (!check_metadata (weights, item, error))
        return FALSE;
    } else if (!read_tensor (weights, item, data, available, error)) {
      return FALSE;
    }
  }
  return check_cover (weights, data, available, error);
}

DefcnWeights *
defcn_weights_open_bytes (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (DefcnWeights) weights = g_new0 (DefcnWeights, 1);

  weights->path = g_strdup (name);
  weights->bytes = g_bytes_ref (bytes);
  weights->tensors = g_array_new (FALSE, FALSE, sizeof (DefcnWeightsTensor));
  weights->by_name = g_tree_new ((GCompareFunc) strcmp);
  return read_header (weights, error) ? g_steal_pointer (&weights) : NULL;
}

gboolean
defcn_weights_is (const guint8 *data, gsize size)
{
  return size > 8 && header_length (data) <= size - 8 && data[8] == '{';
}

DefcnWeights *
defcn_weights_open (const char *path, GError **error)
{
  GStatBuf about;
  char *data;
  gsize len;

  if (g_stat (path, &about) == 0 && !S_ISREG (about.st_mode)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", path,
        S_ISDIR (about.st_mode) ? "is a folder" : "is no regular file");
    return NULL;
  }
  /* Not mapped: who cuts it off meanwhile would end the process. */
  if (!g_file_get_contents (path, &data, &len, error))
    return NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, len);
  return defcn_weights_open_bytes (bytes, path, error);
}

void
defcn_weights_free (DefcnWeights *weights)
{
  if (!weights)
    return;
  g_tree_unref (weights->by_name);
  g_array_unref (weights->tensors);
  cJSON_Delete (weights->header);
  g_bytes_unref (weights->bytes);
  g_free (weights->path);
  g_free (weights);
}

const char *
defcn_weights_path (const DefcnWeights *weights)
{
  return weights->path;
}

const char *
defcn_weights_metadata (const DefcnWeights *weights, const char *key)
{
  return cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (
      cJSON_GetObjectItemCaseSensitive (weights->header, "__metadata__"), key));
}

guint
defcn_weights_count (const DefcnWeights *weights)
{
  return weights->tensors->len;
}

const DefcnWeightsTensor *
defcn_weights_get (const DefcnWeights *weights, guint i)
{
  g_return_val_if_fail (i < weights->tensors->len, NULL);
  return &g_array_index (weights->tensors, DefcnWeightsTensor, i);
}

const DefcnWeightsTensor *
defcn_weights_lookup (const DefcnWeights *weights, const char *name)
{
  const guint i = GPOINTER_TO_UINT (g_tree_lookup (weights->by_name, name));

  return i ? defcn_weights_get (weights, i - 1) : NULL;
}

char *
defcn_weights_hash (const DefcnWeights *weights)
{
  return g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, weights->bytes);
}

static float
value_of (DefcnDtype dtype, guint64 word)
{
  const guint32 half = (guint32) word;
  double wide;
  float value;

  if (dtype == DEFCN_DTYPE_F16)
    return defcn_half_to_float (half);
  if (dtype == DEFCN_DTYPE_BF16)
    return defcn_half_bfloat_to_float (half);
  if (dtype == DEFCN_DTYPE_F64) {
    memcpy (&wide, &word, sizeof wide);
    return (float) wide;
  }
  memcpy (&value, &half, sizeof value);
  return value;
}

static gboolean
is_float (DefcnDtype dtype)
{
  return dtype == DEFCN_DTYPE_F64 || dtype == DEFCN_DTYPE_F32
      || dtype == DEFCN_DTYPE_F16 || dtype == DEFCN_DTYPE_BF16;
}

gboolean
defcn_weights_read (const DefcnWeights *weights, const DefcnWeightsTensor *t,
    float *dst, GError **error)
{
  const guint8 *src = t->data;

  if (!is_float (t->dtype))
    return fail (error, weights,
        "tensor \"%s\" is %s, wanted F64, F32, F16 or BF16", t->name,
        dtypes[t->dtype].name);
  for (gsize i = 0; i < t->len; i++) {
    guint64 word = 0;

    memcpy (&word, src + i * dtypes[t->dtype].bytes, dtypes[t->dtype].bytes);
    dst[i] = value_of (t->dtype, GUINT64_FROM_LE (word));
    if (!isfinite (dst[i]))
      return fail (error, weights,
          "tensor \"%s\": element %" G_GSIZE_FORMAT " is %g", t->name, i,
          dst[i]);
  }
  return TRUE;
}

/* The header with @value under @key of its metadata, padded so that the data
 * that follows are aligned to 8 bytes. */
static char *
header_with (const DefcnWeights *weights, const char *key, const char *value)
{
  cJSON *header = cJSON_Duplicate (weights->header, TRUE);
  cJSON *metadata = cJSON_GetObjectItemCaseSensitive (header, "__metadata__");
  cJSON *item = cJSON_CreateString (value);

  if (!metadata)
    metadata = cJSON_AddObjectToObject (header, "__metadata__");
  if (cJSON_GetObjectItemCaseSensitive (metadata, key))
    cJSON_ReplaceItemInObjectCaseSensitive (metadata, key, item);
  else
    cJSON_AddItemToObject (metadata, key, item);

  char *text = cJSON_PrintUnformatted (header);
  const int padded = (strlen (text) + 7) / 8 * 8;
  char *copy = g_strdup_printf ("%-*s", padded, text);
  cJSON_free (text);
  cJSON_Delete (header);
  return copy;
}

gboolean
defcn_weights_set_metadata (const DefcnWeights *weights, const char *key,
    const char *value, GError **error)
{
  gsize size;
  const char *old = g_bytes_get_data (weights->bytes, &size);
  g_autofree char *header = header_with (weights, key, value);
  const guint64 length = GUINT64_TO_LE ((guint64) strlen (header));
  g_autoptr (GString) file = g_string_sized_new (size + 4096);
  char *path = realpath (weights->path, NULL);
  guint64 data;
  GStatBuf state;

  memcpy (&data, old, 8);
  data = 8 + GUINT64_FROM_LE (data);
  g_string_append_len (file, (const char *) &length, 8);
  g_string_append (file, header);
  g_string_append_len (file, old + data, size - data);

  if (!path || g_stat (path, &state))
    state.st_mode = 0644;
  const gboolean good = g_file_set_contents_full (path ? path : weights->path,
      file->str, file->len,
      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
      state.st_mode & 0777, error);
  free (path);
  if (!good)
    g_prefix_error (error, "%s: cannot be written: ", weights->path);
  return good;
}
