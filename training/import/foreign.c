/* Named float tensors, checked and copied out of what a file holds. */
#include "foreign.h"

#include "half.h"

#include <math.h>
#include <string.h>

static const gsize element_sizes[] = {
  [DEFCN_ELEMENT_F64] = 8,
  [DEFCN_ELEMENT_F32] = 4,
  [DEFCN_ELEMENT_F16] = 2,
  [DEFCN_ELEMENT_BF16] = 2,
  [DEFCN_ELEMENT_I64] = 8,
  [DEFCN_ELEMENT_I32] = 4,
  [DEFCN_ELEMENT_I16] = 2,
  [DEFCN_ELEMENT_I8] = 1,
  [DEFCN_ELEMENT_U8] = 1,
};

void
defcn_foreign_tensor_free (DefcnForeignTensor *tensor)
{
  if (!tensor)
    return;
  g_free (tensor->name);
  g_free (tensor->data);
  g_free (tensor);
}

DefcnForeign *
defcn_foreign_new (const char *path, const char *format, gsize limit)
{
  DefcnForeign *foreign = g_new0 (DefcnForeign, 1);

  foreign->path = g_strdup (path);
  foreign->format = format;
  foreign->limit = limit;
  foreign->iteration = -1;
  foreign->tensors = g_ptr_array_new_with_free_func (
      (GDestroyNotify) defcn_foreign_tensor_free);
  foreign->momentum = g_ptr_array_new_with_free_func (
      (GDestroyNotify) defcn_foreign_tensor_free);
  foreign->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  foreign->versions =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return foreign;
}

void
defcn_foreign_free (DefcnForeign *foreign)
{
  if (!foreign)
    return;
  g_hash_table_unref (foreign->by_name);
  g_hash_table_unref (foreign->versions);
  g_ptr_array_unref (foreign->tensors);
  g_ptr_array_unref (foreign->momentum);
  g_free (foreign->author);
  g_free (foreign->place);
  g_free (foreign->path);
  g_free (foreign);
}

DefcnForeignTensor *
defcn_foreign_lookup (const DefcnForeign *foreign, const char *name)
{
  return g_hash_table_lookup (foreign->by_name, name);
}

gsize
defcn_foreign_element_size (DefcnElement element)
{
  return element_sizes[element];
}

void
defcn_foreign_array_dense (DefcnForeignArray *array, gboolean fortran)
{
  gint64 stride = 1;

  for (int i = 0; i < array->n_dims; i++) {
    const int dim = fortran ? i : array->n_dims - 1 - i;

    array->strides[dim] = stride;
    /* A product too large is caught by the checks of the copy. */
    if (!__builtin_mul_overflow (stride, array->dims[dim], &stride))
      continue;
    stride = G_MAXINT64;
  }
}

/* Number of elements of @array and the index of the last, or FALSE. */
static gboolean
measure (gsize *len, gint64 *last, const DefcnForeignArray *array)
{
  *len = 1;
  *last = array->offset;
  if (array->offset < 0)
    return FALSE;
  for (int i = 0; i < array->n_dims; i++) {
    gint64 reach;

    if (array->dims[i] < 0 || array->strides[i] < 0
        || !g_size_checked_mul (len, *len, array->dims[i]))
      return FALSE;
    if (array->dims[i] > 0
        && (__builtin_mul_overflow (array->dims[i] - 1, array->strides[i],
                &reach)
            || __builtin_add_overflow (*last, reach, last)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_array (gsize *len, DefcnForeign *foreign, const char *name,
    const DefcnForeignArray *array, GError **error)
{
  const gsize available = array->bytes / element_sizes[array->element];
  gint64 last;

  if (!measure (len, &last, array)
      || (*len > 0 && (guint64) last >= available)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: tensor \"%s\" reaches beyond the %" G_GSIZE_FORMAT
        " numbers that are there",
        foreign->path, name, available);
    return FALSE;
  }
  if (*len > foreign->limit) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: tensor \"%s\" of %" G_GSIZE_FORMAT
        " numbers is more than the file can hold",
        foreign->path, name, *len);
    return FALSE;
  }
  foreign->limit -= *len;
  return TRUE;
}

/* One number at @p. */
static double
read_element (const guint8 *p, DefcnElement element, gboolean big_endian)
{
  const int size = element_sizes[element];
  guint64 bits = 0;
  guint32 word;
  float single;
  double real;

  for (int i = 0; i < size; i++)
    bits |= (guint64) p[big_endian ? size - 1 - i : i] << (8 * i);
  switch (element) {
    case DEFCN_ELEMENT_F64:
      memcpy (&real, &bits, 8);
      return real;
    case DEFCN_ELEMENT_F32:
    case DEFCN_ELEMENT_BF16:
      word = element == DEFCN_ELEMENT_BF16 ? bits << 16 : bits;
      memcpy (&single, &word, 4);
      return single;
    case DEFCN_ELEMENT_F16:
      return defcn_half_to_float (bits);
    case DEFCN_ELEMENT_I64:
      return (gint64) bits;
    case DEFCN_ELEMENT_I32:
      return (gint32) bits;
    case DEFCN_ELEMENT_I16:
      return (gint16) bits;
    case DEFCN_ELEMENT_I8:
      return (gint8) bits;
    case DEFCN_ELEMENT_U8:
      break;
  }
  return bits;
}

/* @len elements in the order of the dims; FALSE at one that is not finite,
 * its number in *@len. */
static gboolean
gather (float *dst, gsize *len, const DefcnForeignArray *array)
{
  gint64 at[DEFCN_WEIGHTS_MAX_DIMS] = { 0 };
  gint64 strides[DEFCN_WEIGHTS_MAX_DIMS];
  gint64 index = array->offset;
  const gsize size = element_sizes[array->element];

  for (int d = 0; d < array->n_dims; d++) /* of one element: any is stored */
    strides[d] = array->dims[d] > 1 ? array->strides[d] : 0;

  for (gsize i = 0; i < *len; i++) {
    dst[i] = read_element (array->data + index * size, array->element,
        array->big_endian);
    if (!isfinite (dst[i])) {
      *len = i;
      return FALSE;
    }
    for (int d = array->n_dims - 1; d >= 0; d--) {
      index += strides[d];
      if (++at[d] < array->dims[d])
        break;
      index -= at[d] * strides[d];
      at[d] = 0;
    }
  }
  return TRUE;
}

DefcnForeignTensor *
defcn_foreign_copy (DefcnForeign *foreign, const char *name,
    const DefcnForeignArray *array, GError **error)
{
  gsize len;

  if (!check_array (&len, foreign, name, array, error))
    return NULL;
  DefcnForeignTensor *t = g_new0 (DefcnForeignTensor, 1);
  t->n_dims = array->n_dims;
  memcpy (t->dims, array->dims, sizeof t->dims);
  t->len = len;
  t->data = g_try_new (float, len);
  if (!t->data && len > 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: tensor \"%s\": no memory for %" G_GSIZE_FORMAT " numbers",
        foreign->path, name, len);
    g_clear_pointer (&t, defcn_foreign_tensor_free);
    return NULL;
  }
  if (!gather (t->data, &len, array)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: tensor \"%s\": element %" G_GSIZE_FORMAT " is %g", foreign->path,
        name, len, t->data[len]);
    g_clear_pointer (&t, defcn_foreign_tensor_free);
  }
  return t;
}

gboolean
defcn_foreign_add (DefcnForeign *foreign, const char *name,
    const DefcnForeignArray *array, GError **error)
{
  DefcnForeignTensor *t;

  if (!*name || !g_utf8_validate (name, -1, NULL)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: a tensor's name is not UTF-8 text", foreign->path);
    return FALSE;
  }
  if (g_hash_table_contains (foreign->by_name, name)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: tensor \"%s\" is there twice", foreign->path, name);
    return FALSE;
  }
  if (!(t = defcn_foreign_copy (foreign, name, array, error)))
    return FALSE;
  t->name = g_strdup (name);
  g_ptr_array_add (foreign->tensors, t);
  g_hash_table_insert (foreign->by_name, t->name, t);
  return TRUE;
}
