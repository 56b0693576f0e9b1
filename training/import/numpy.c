/* numpy's arrays: the .npy format, and the pickled form of an array. */
#include "numpy.h"

#include "data/file.h"
#include "state.h"

#include <string.h>

/* A type as numpy writes it: byte order, kind, size, e.g. "<f4". */
static gboolean
parse_type (DefcnForeignArray *array, const char *text, gsize len)
{
  static const struct
  {
    const char *name;
    DefcnElement element;
  } types[] = {
    { "f8", DEFCN_ELEMENT_F64 },
    { "f4", DEFCN_ELEMENT_F32 },
    { "f2", DEFCN_ELEMENT_F16 },
    { "i8", DEFCN_ELEMENT_I64 },
    { "i4", DEFCN_ELEMENT_I32 },
    { "i2", DEFCN_ELEMENT_I16 },
    { "i1", DEFCN_ELEMENT_I8 },
    { "u1", DEFCN_ELEMENT_U8 },
    { "b1", DEFCN_ELEMENT_U8 },
  };

  if (len == 3 && strchr ("<>|=", text[0])) {
    array->big_endian = text[0] == '>';
    text++;
    len--;
  }
  for (gsize i = 0; len == 2 && i < G_N_ELEMENTS (types); i++) {
    if (memcmp (text, types[i].name, 2) == 0) {
      array->element = types[i].element;
      return TRUE;
    }
  }
  return FALSE;
}

/* The header's text, a Python dict of three known entries. */
typedef struct
{
  const char *s, *end;
} Text;

static gboolean
accept (Text *t, const char *token)
{
  const gsize len = strlen (token);

  while (t->s < t->end && g_ascii_isspace (*t->s))
    t->s++;
  if ((gsize) (t->end - t->s) < len || memcmp (t->s, token, len) != 0)
    return FALSE;
  t->s += len;
  return TRUE;
}

static gboolean
accept_quoted (Text *t, const char **start, gsize *len)
{
  if (!accept (t, "'") && !accept (t, "\""))
    return FALSE;

  const char *close = memchr (t->s, t->s[-1], t->end - t->s);
  if (!close)
    return FALSE;
  *start = t->s;
  *len = close - t->s;
  t->s = close + 1;
  return TRUE;
}

static gboolean
accept_shape (Text *t, DefcnForeignArray *array)
{
  if (!accept (t, "("))
    return FALSE;
  while (!accept (t, ")")) {
    gint64 dim = 0;
    const char *first = t->s;

    while (t->s < t->end && g_ascii_isdigit (*t->s) && t->s - first < 18)
      dim = dim * 10 + (*t->s++ - '0');
    accept (t, "L"); /* Python 2 */
    if (t->s == first || array->n_dims == DEFCN_WEIGHTS_MAX_DIMS)
      return FALSE;
    array->dims[array->n_dims++] = dim;
    if (!accept (t, ",")) {
      if (!accept (t, ")"))
        return FALSE;
      break;
    }
    while (t->s < t->end && g_ascii_isspace (*t->s))
      t->s++;
  }
  return TRUE;
}

static gboolean
parse_header (Text *t, DefcnForeignArray *array, gboolean *fortran)
{
  guint seen = 0;

  if (!accept (t, "{"))
    return FALSE;
  while (!accept (t, "}")) {
    const char *key, *type;
    gsize key_len, len;
    gboolean good = FALSE;

    if (!accept_quoted (t, &key, &key_len) || !accept (t, ":"))
      return FALSE;
    if (key_len == 5 && memcmp (key, "descr", 5) == 0) {
      good = accept_quoted (t, &type, &len) && parse_type (array, type, len);
      seen |= 1;
    } else if (key_len == 13 && memcmp (key, "fortran_order", 13) == 0) {
      *fortran = accept (t, "True");
      good = *fortran || accept (t, "False");
      seen |= 2;
    } else if (key_len == 5 && memcmp (key, "shape", 5) == 0 && !(seen & 4)) {
      good = accept_shape (t, array);
      seen |= 4;
    }
    if (!good)
      return FALSE;
    accept (t, ",");
  }
  return seen == 7;
}

gboolean
defcn_numpy_parse (DefcnForeignArray *array, const guint8 *data, gsize size,
    const char *where, GError **error)
{
  gsize start, len;
  gboolean fortran = FALSE;

  *array = (DefcnForeignArray){ 0 };
  if (size < 12 || memcmp (data, "\x93NUMPY", 6) != 0 || data[6] < 1
      || data[6] > 3) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: not a .npy file of version 1 to 3", where);
    return FALSE;
  }
  start = data[6] == 1 ? 10 : 12;
  len = data[8] | (gsize) data[9] << 8;
  if (data[6] > 1)
    len |= (gsize) data[10] << 16 | (gsize) data[11] << 24;
  if (len > size - start) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: cut off within its header", where);
    return FALSE;
  }

  Text text = { (const char *) data + start,
    (const char *) data + start + len };
  if (!parse_header (&text, array, &fortran)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: its header is not that of an array of numbers", where);
    return FALSE;
  }
  array->data = data + start + len;
  array->bytes = size - start - len;
  defcn_foreign_array_dense (array, fortran);
  return TRUE;
}

static gboolean
add_file (DefcnForeign *foreign, const char *folder, const char *file,
    GError **error)
{
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autofree char *name = g_strndup (file, strlen (file) - strlen (".npy"));
  g_autoptr (GMappedFile) map = defcn_file_map (path, error);
  DefcnForeignArray array;

  if (!map)
    return FALSE;
  foreign->limit += g_mapped_file_get_length (map);
  return defcn_numpy_parse (&array,
             (const guint8 *) g_mapped_file_get_contents (map),
             g_mapped_file_get_length (map), path, error)
      && defcn_foreign_add (foreign, name, &array, error);
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

DefcnForeign *
defcn_numpy_open_folder (const char *path, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  const char *file;

  if (!dir)
    return NULL;
  while ((file = g_dir_read_name (dir)))
    if (g_str_has_suffix (file, ".npy"))
      g_ptr_array_add (files, g_strdup (file));
  if (files->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no .npy file in this folder", path);
    return NULL;
  }
  g_ptr_array_sort (files, compare_strings);

  g_autoptr (DefcnForeign) foreign = defcn_foreign_new (path, "numpy", 0);
  for (guint i = 0; i < files->len; i++)
    if (!add_file (foreign, path, files->pdata[i], error))
      return NULL;
  return g_steal_pointer (&foreign);
}

/* numpy.dtype ('f4', ..) with the state (3, '<', ..). */
static gboolean
pickled_type (DefcnForeignArray *array, const DefcnPickleValue *type)
{
  const DefcnPickleValue *name, *order;

  if (!defcn_pickle_value_is_call (type, "numpy dtype"))
    return FALSE;
  name = defcn_pickle_value_at (type->args, 0);
  if (!name || name->type != DEFCN_PICKLE_STRING
      || !parse_type (array, name->str, name->len))
    return FALSE;
  order = defcn_pickle_value_at (type->state, 1);
  if (defcn_pickle_value_is (order, ">"))
    array->big_endian = TRUE;
  return TRUE;
}

/* (bytes, dtype, shape, "C" or "F"): how protocol 5 has arrays. */
static gboolean
is_buffer (const DefcnPickleValue *value)
{
  return defcn_pickle_value_is_call (value, "numpy.core.numeric _frombuffer")
      || defcn_pickle_value_is_call (value, "numpy._core.numeric _frombuffer");
}

static gboolean
is_array (const DefcnPickleValue *value)
{
  return is_buffer (value)
      || defcn_pickle_value_is_call (value,
          "numpy.core.multiarray _reconstruct")
      || defcn_pickle_value_is_call (value,
          "numpy._core.multiarray _reconstruct");
}

static gboolean
buffered_array (DefcnForeignArray *array, const DefcnPickleValue *args)
{
  const DefcnPickleValue *bytes = defcn_pickle_value_at (args, 0);

  *array = (DefcnForeignArray){ 0 };
  if (!bytes || bytes->type != DEFCN_PICKLE_STRING
      || !pickled_type (array, defcn_pickle_value_at (args, 1))
      || !defcn_pickle_value_ints (array->dims, &array->n_dims,
          DEFCN_WEIGHTS_MAX_DIMS, defcn_pickle_value_at (args, 2)))
    return FALSE;
  array->data = (const guint8 *) bytes->str;
  array->bytes = bytes->len;
  defcn_foreign_array_dense (array,
      defcn_pickle_value_is (defcn_pickle_value_at (args, 3), "F"));
  return TRUE;
}

/* The state of an array: (version, shape, dtype, Fortran order, bytes). */
static gboolean
pickled_array (DefcnForeignArray *array, const DefcnPickleValue *value)
{
  const DefcnPickleValue *state = value->state;
  const DefcnPickleValue *fortran = defcn_pickle_value_at (state, 3);
  const DefcnPickleValue *bytes = defcn_pickle_value_at (state, 4);

  if (is_buffer (value))
    return buffered_array (array, value->args);
  *array = (DefcnForeignArray){ 0 };
  if (!defcn_pickle_value_ints (array->dims, &array->n_dims,
          DEFCN_WEIGHTS_MAX_DIMS, defcn_pickle_value_at (state, 1))
      || !pickled_type (array, defcn_pickle_value_at (state, 2)) || !fortran
      || !bytes || bytes->type != DEFCN_PICKLE_STRING)
    return FALSE;
  array->data = (const guint8 *) bytes->str;
  array->bytes = bytes->len;
  defcn_foreign_array_dense (array, fortran->number != 0);
  return TRUE;
}

/* Entries that are arrays; counters and the like are no tensors. */
static gboolean
add_arrays (DefcnForeign *foreign, const DefcnPickleValue *dict, gsize skip,
    GError **error)
{
  const DefcnPickleValue *key, *value;

  for (guint i = 0; defcn_pickle_value_entry (dict, i, &key, &value); i++) {
    DefcnForeignArray array;

    if (key->type != DEFCN_PICKLE_STRING || !is_array (value))
      continue;
    g_autofree char *name = g_strndup (key->str + skip, key->len - skip);
    if (!pickled_array (&array, value)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
          "%s: \"%s\" is not an array of numbers", foreign->path, name);
      return FALSE;
    }
    if (!defcn_foreign_add (foreign, name, &array, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
defcn_numpy_is_pickle (const guint8 *data, gsize size)
{
  /* Protocols 2 to 5 say so; 0 and 1 begin with a mark or a dict. */
  return size >= 2 && !defcn_weights_is (data, size)
      && ((data[0] == 0x80 && data[1] >= 2 && data[1] <= 5)
          || (data[0] == '(' && strchr ("dlt(ISV", data[1]))
          || (data[0] == '}' && strchr ("qp(.", data[1])));
}

DefcnForeign *
defcn_numpy_open_pickle (const guint8 *data, gsize size, gboolean ema,
    const char *name, GError **error)
{
  g_autoptr (DefcnPickle) pickle =
      defcn_pickle_parse (data, size, NULL, name, error);
  g_autofree char *place = NULL;

  if (!pickle)
    return NULL;

  const DefcnPickleValue *root = defcn_pickle_root (pickle);
  const DefcnPickleValue *author = defcn_pickle_value_get (root, "__author__");
  const DefcnPickleValue *dict = defcn_state_find (&place, root, is_array, ema);
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new (name, "numpy", size);
  if (author && author->type == DEFCN_PICKLE_STRING)
    foreign->author = g_strndup (author->str, author->len);
  if (dict
      && !add_arrays (foreign, dict, defcn_state_prefix (dict, is_array),
          error))
    return NULL;
  if (foreign->tensors->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no dict of arrays in this pickle", name);
    return NULL;
  }
  foreign->place = g_steal_pointer (&place);
  return g_steal_pointer (&foreign);
}
