/* PyTorch's checkpoints: pickled tensors and the storages they are views of. */
#include "torch.h"

#include "pickle.h"
#include "state.h"
#include "zip.h"

#include <string.h>

#define MAX_PARAMETERS 100000

/* The legacy stream starts with this number, pickled as a long of 10 bytes. */
static const guint8 legacy_magic[] = { 0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
  0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

/* Numbers that tensors are views of. */
typedef struct
{
  const guint8 *data;
  gsize bytes;
} Storage;

typedef struct
{
  const char *name;
  DefcnZip *zip;        /* of a zip archive */
  char *folder;         /* its one folder, with the slash */
  char *entry;          /* of it: the storage that was read last */
  GBytes *bytes;        /* what it holds: views of it may follow */
  GHashTable *storages; /* of a stream: key -> Storage */
  gboolean ema;         /* the averaged weights are wanted */
  DefcnForeign *foreign;
  GError **error;
} Reader;

G_GNUC_PRINTF (2, 3)
static gboolean
fail (const Reader *r, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (r->error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", r->name,
      text);
  return FALSE;
}

/* The element type of "torch FloatStorage" and its like. */
static gboolean
storage_element (DefcnElement *element, const DefcnPickleValue *type)
{
  static const struct
  {
    const char *name;
    DefcnElement element;
  } types[] = {
    { "torch DoubleStorage", DEFCN_ELEMENT_F64 },
    { "torch FloatStorage", DEFCN_ELEMENT_F32 },
    { "torch HalfStorage", DEFCN_ELEMENT_F16 },
    { "torch BFloat16Storage", DEFCN_ELEMENT_BF16 },
    { "torch LongStorage", DEFCN_ELEMENT_I64 },
    { "torch IntStorage", DEFCN_ELEMENT_I32 },
    { "torch ShortStorage", DEFCN_ELEMENT_I16 },
    { "torch CharStorage", DEFCN_ELEMENT_I8 },
    { "torch ByteStorage", DEFCN_ELEMENT_U8 },
    { "torch BoolStorage", DEFCN_ELEMENT_U8 },
  };

  if (!type || type->type != DEFCN_PICKLE_GLOBAL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    if (g_str_equal (type->str, types[i].name)) {
      *element = types[i].element;
      return TRUE;
    }
  }
  return FALSE;
}

/* The bytes of @entry of the archive. */
static gboolean
read_storage (Reader *r, DefcnForeignArray *array, const char *entry)
{
  if (g_strcmp0 (entry, r->entry) != 0) {
    g_clear_pointer (&r->bytes, g_bytes_unref);
    g_free (r->entry);
    r->entry = g_strdup (entry);
    r->bytes = defcn_zip_read (r->zip, r->entry, r->error);
  }
  if (!r->bytes)
    return FALSE;
  array->data = g_bytes_get_data (r->bytes, &array->bytes);
  return TRUE;
}

/* ("storage", type, key, device, number of elements, view): the view is None
 * or, in streams, (key, offset, number).  Returns: (nullable): the key. */
static char *
storage_key (DefcnElement *element, const DefcnPickleValue *persistent)
{
  const DefcnPickleValue *id =
      persistent && persistent->type == DEFCN_PICKLE_PERSISTENT
      ? persistent->args
      : NULL;
  const DefcnPickleValue *key = defcn_pickle_value_at (id, 2);
  const DefcnPickleValue *view = defcn_pickle_value_at (id, 5);

  if (!defcn_pickle_value_is (defcn_pickle_value_at (id, 0), "storage")
      || !storage_element (element, defcn_pickle_value_at (id, 1)) || !key
      || key->type != DEFCN_PICKLE_STRING
      || (view && view->type != DEFCN_PICKLE_NONE))
    return NULL;
  return g_strndup (key->str, key->len);
}

/* Fills in the numbers that tensor @name is a view of. */
static gboolean
find_storage (Reader *r, DefcnForeignArray *array, const char *name,
    const DefcnPickleValue *persistent)
{
  g_autofree char *key = storage_key (&array->element, persistent);

  if (key && r->zip) {
    g_autofree char *entry = g_strconcat (r->folder, "data/", key, NULL);

    if (defcn_zip_has (r->zip, entry))
      return read_storage (r, array, entry);
  }
  const Storage *storage =
      key && r->storages ? g_hash_table_lookup (r->storages, key) : NULL;
  if (!storage)
    return fail (r, "tensor \"%s\": its numbers are not in the file", name);
  array->data = storage->data;
  array->bytes = storage->bytes;
  return TRUE;
}

/* The arguments of _rebuild_tensor_v2 (storage, offset, size, stride, ..),
 * perhaps within _rebuild_parameter (tensor, ..) and the like, or of a
 * subclass: _rebuild_from_type_v2 (function, type, arguments, state). */
static const DefcnPickleValue *
tensor_args (const DefcnPickleValue *value)
{
  static const char *const wrappers[] = { "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state" };
  static const char *const rebuilders[] = { "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor" };

  for (gsize i = 0; i < G_N_ELEMENTS (wrappers); i++) {
    if (defcn_pickle_value_is_call (value, wrappers[i]))
      value = defcn_pickle_value_at (value->args, 0);
  }
  if (defcn_pickle_value_is_call (value,
          "torch._tensor _rebuild_from_type_v2")) {
    const DefcnPickleValue *function = defcn_pickle_value_at (value->args, 0);

    return function && function->type == DEFCN_PICKLE_GLOBAL
            && g_str_equal (function->str, rebuilders[0])
        ? defcn_pickle_value_at (value->args, 2)
        : NULL;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (rebuilders); i++) {
    if (defcn_pickle_value_is_call (value, rebuilders[i]))
      return value->args;
  }
  return NULL;
}

static gboolean
read_array (Reader *r, DefcnForeignArray *array, const char *name,
    const DefcnPickleValue *args)
{
  int n_strides;

  *array = (DefcnForeignArray){ 0 };
  if (!find_storage (r, array, name, defcn_pickle_value_at (args, 0)))
    return FALSE;
  if (!defcn_pickle_value_int (&array->offset, defcn_pickle_value_at (args, 1))
      || !defcn_pickle_value_ints (array->dims, &array->n_dims,
          DEFCN_WEIGHTS_MAX_DIMS, defcn_pickle_value_at (args, 2))
      || !defcn_pickle_value_ints (array->strides, &n_strides,
          DEFCN_WEIGHTS_MAX_DIMS, defcn_pickle_value_at (args, 3))
      || n_strides != array->n_dims)
    return fail (r,
        "tensor \"%s\": its shape and strides are not up to %d numbers each",
        name, DEFCN_WEIGHTS_MAX_DIMS);
  return TRUE;
}

static gboolean
add_tensors (Reader *r, const DefcnPickleValue *dict, gsize skip)
{
  const DefcnPickleValue *key, *value;

  for (guint i = 0; defcn_pickle_value_entry (dict, i, &key, &value); i++) {
    const DefcnPickleValue *args = tensor_args (value);
    DefcnForeignArray array;

    if (key->type != DEFCN_PICKLE_STRING || !args)
      continue;
    g_autofree char *name = g_strndup (key->str + skip, key->len - skip);
    if (!read_array (r, &array, name, args)
        || !defcn_foreign_add (r->foreign, name, &array, r->error))
      return FALSE;
  }
  return TRUE;
}

/* The member @key of a dict of few: a file may let a thousand entries share one
 * of thousands. */
static const DefcnPickleValue *
get_of_few (const DefcnPickleValue *dict, const char *key)
{
  return defcn_pickle_value_count (dict) <= 64
      ? defcn_pickle_value_get (dict, key)
      : NULL;
}

/* {"_metadata": {module: {"version": number}}}, the attributes of the dict. */
static void
read_versions (const Reader *r, const DefcnPickleValue *dict, gsize skip)
{
  const DefcnPickleValue *metadata =
      defcn_pickle_value_get (dict->state, "_metadata");
  const DefcnPickleValue *key, *value;

  for (guint i = 0; defcn_pickle_value_entry (metadata, i, &key, &value); i++) {
    gint64 version;

    if (key->type != DEFCN_PICKLE_STRING
        || !defcn_pickle_value_int (&version, get_of_few (value, "version"))
        || key->len < skip)
      continue;
    g_hash_table_replace (r->foreign->versions,
        g_strndup (key->str + skip, key->len - skip),
        GINT_TO_POINTER (CLAMP (version, 0, G_MAXINT)));
  }
}

/* The state of one parameter, NULL in @momentum if there is none. */
static gboolean
add_momentum (Reader *r, const DefcnPickleValue *state)
{
  const DefcnPickleValue *args =
      tensor_args (get_of_few (state, "momentum_buffer"));
  DefcnForeignTensor *t = NULL;
  DefcnForeignArray array;

  if (args
      && (!read_array (r, &array, "momentum_buffer", args)
          || !(t = defcn_foreign_copy (r->foreign, "momentum_buffer", &array,
                   r->error))))
    return FALSE;
  g_ptr_array_add (r->foreign->momentum, t);
  return TRUE;
}

/* {"state": {id: {"momentum_buffer": tensor}}, "param_groups": [{"params":
 * [id, ..]}, ..]}: in the order of the groups. */
static gboolean
read_momentum (Reader *r, const DefcnPickleValue *optimizer)
{
  const DefcnPickleValue *state = defcn_pickle_value_get (optimizer, "state");
  const DefcnPickleValue *groups =
      defcn_pickle_value_get (optimizer, "param_groups");
  const DefcnPickleValue *key, *value;
  g_autoptr (GHashTable) by_id = g_hash_table_new (g_int64_hash, g_int64_equal);

  for (guint i = 0; defcn_pickle_value_entry (state, i, &key, &value); i++)
    if (key->type == DEFCN_PICKLE_INT)
      g_hash_table_insert (by_id, (gpointer) &key->number, (gpointer) value);
  for (guint g = 0; g < defcn_pickle_value_count (groups); g++) {
    const DefcnPickleValue *ids =
        defcn_pickle_value_get (defcn_pickle_value_at (groups, g), "params");

    for (guint i = 0; i < defcn_pickle_value_count (ids); i++) {
      gint64 id;

      if (r->foreign->momentum->len == MAX_PARAMETERS
          || !defcn_pickle_value_int (&id, defcn_pickle_value_at (ids, i)))
        return fail (r, "its optimizer does not number up to %d parameters",
            MAX_PARAMETERS);
      if (!add_momentum (r, g_hash_table_lookup (by_id, &id)))
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean
is_tensor (const DefcnPickleValue *value)
{
  return tensor_args (value) != NULL;
}

/* torch.jit.save() writes a program, in whose objects the tensors are. */
static gboolean
is_script (const Reader *r)
{
  g_autofree char *constants = g_strconcat (r->folder, "constants.pkl", NULL);

  return r->zip && r->folder && defcn_zip_has (r->zip, constants);
}

static gboolean
read_checkpoint (Reader *r, const DefcnPickle *pickle)
{
  const DefcnPickleValue *root = defcn_pickle_root (pickle);
  const DefcnPickleValue *optimizer =
      defcn_pickle_value_get (root, "optimizer");
  g_autofree char *place = NULL;
  const DefcnPickleValue *dict =
      defcn_state_find (&place, root, is_tensor, r->ema);

  if (!dict)
    return fail (r,
        is_script (r) ? "a TorchScript program (torch.jit.save()): save its "
                        "state_dict() by torch.save()"
                      : "no dict of tensors in this checkpoint");
  const gsize skip = defcn_state_prefix (dict, is_tensor);
  if (!add_tensors (r, dict, skip)
      || (optimizer && !read_momentum (r, optimizer)))
    return FALSE;
  if (r->foreign->tensors->len == 0)
    return fail (r, "no dict of tensors in this checkpoint");
  r->foreign->place = g_steal_pointer (&place);
  read_versions (r, dict, skip);
  defcn_pickle_value_int (&r->foreign->iteration,
      defcn_pickle_value_get (root, "iteration"));
  return TRUE;
}

static gboolean
check_order (const Reader *r)
{
  g_autofree char *entry = g_strconcat (r->folder, "byteorder", NULL);
  g_autoptr (GBytes) order = NULL;
  gsize size;

  if (!defcn_zip_has (r->zip, entry))
    return TRUE;
  if (!(order = defcn_zip_read (r->zip, entry, r->error)))
    return FALSE;
  const char *text = g_bytes_get_data (order, &size);
  return (size == 6 && memcmp (text, "little", 6) == 0)
      || fail (r, "its numbers are not little-endian");
}

/* A zip archive that is not of torch.save(). */
static gboolean
refuse_zip (const Reader *r)
{
  static const struct
  {
    const char *suffix, *advice;
  } cases[] = {
    { ".pth", "unpack it" },
    { ".pt", "unpack it" },
    { ".pkl", "unpack it" },
    { ".safetensors", "unpack it" },
    { ".npy", "an .npz of NumPy: unpack it, a folder of .npy is read" },
    { ".keras", "a model of Keras, which is not read" },
    { ".h5", "a model of Keras, which is not read" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *entry = defcn_zip_find (r->zip, cases[i].suffix);
    g_autofree char *shown = entry ? g_utf8_make_valid (entry, -1) : NULL;

    if (entry)
      return fail (r, "a zip archive with \"%s\" in it: %s", shown,
          cases[i].advice);
  }
  return fail (r, "a zip archive, but not of torch.save(): no data.pkl");
}

static gboolean
read_zip (Reader *r, const guint8 *data, gsize size)
{
  const char *entry;

  r->zip = defcn_zip_open (data, size, r->name, r->error);
  if (!r->zip)
    return FALSE;
  entry = defcn_zip_find (r->zip, "/data.pkl");
  if (!entry)
    return refuse_zip (r);
  r->folder = g_strndup (entry, strlen (entry) - strlen ("data.pkl"));
  r->foreign->limit = defcn_zip_size (r->zip);
  if (!check_order (r))
    return FALSE;

  g_autoptr (GBytes) bytes = defcn_zip_read (r->zip, entry, r->error);
  if (!bytes)
    return FALSE;
  const guint8 *text = g_bytes_get_data (bytes, &size);
  g_autoptr (DefcnPickle) pickle =
      defcn_pickle_parse (text, size, NULL, r->name, r->error);
  return pickle && read_checkpoint (r, pickle);
}

/* The pickle at *@pos, which moves behind it. */
static DefcnPickle *
next_pickle (const Reader *r, const guint8 *data, gsize size, gsize *pos)
{
  gsize used = 0;
  DefcnPickle *pickle =
      defcn_pickle_parse (data + *pos, size - *pos, &used, r->name, r->error);

  *pos += used;
  return pickle;
}

/* How many bytes an element of each storage takes, from the tensors' views. */
static void
learn_sizes (GHashTable *sizes, const DefcnPickleValue *value)
{
  const DefcnPickleValue *id = value->args;
  const DefcnPickleValue *key = defcn_pickle_value_at (id, 2);
  DefcnElement element;

  if (key && key->type == DEFCN_PICKLE_STRING
      && storage_element (&element, defcn_pickle_value_at (id, 1)))
    g_hash_table_replace (sizes, g_strndup (key->str, key->len),
        GUINT_TO_POINTER (defcn_foreign_element_size (element)));
}

/* For each key of the list: a number of elements and their bytes. */
static gboolean
read_storages (Reader *r, const DefcnPickleValue *keys, GHashTable *sizes,
    const guint8 *data, gsize size, gsize pos)
{
  for (guint i = 0; i < defcn_pickle_value_count (keys); i++) {
    const DefcnPickleValue *key = defcn_pickle_value_at (keys, i);
    guint64 n;

    if (!key || key->type != DEFCN_PICKLE_STRING)
      return fail (r, "a storage without a key");
    char *text = g_strndup (key->str, key->len);
    Storage *storage = g_new0 (Storage, 1);
    g_hash_table_replace (r->storages, text, storage);
    const gsize each = GPOINTER_TO_UINT (g_hash_table_lookup (sizes, text));
    if (each == 0)
      return fail (r, "no tensor tells the type of storage \"%s\"", text);
    if (size - pos < 8)
      return fail (r, "cut off before storage \"%s\"", text);
    memcpy (&n, data + pos, 8);
    n = GUINT64_FROM_LE (n);
    pos += 8;
    if (n > (size - pos) / each)
      return fail (r, "cut off within storage \"%s\"", text);
    storage->data = data + pos;
    storage->bytes = n * each;
    pos += storage->bytes;
  }
  return TRUE;
}

/* A stream of pickles: magic number, protocol, system, checkpoint, storage
 * keys; then the storages. */
static gboolean
read_stream (Reader *r, const guint8 *data, gsize size)
{
  gsize pos = sizeof legacy_magic;
  g_autoptr (DefcnPickle) protocol = next_pickle (r, data, size, &pos);
  g_autoptr (DefcnPickle) system =
      protocol ? next_pickle (r, data, size, &pos) : NULL;
  g_autoptr (DefcnPickle) checkpoint =
      system ? next_pickle (r, data, size, &pos) : NULL;
  g_autoptr (DefcnPickle) keys =
      checkpoint ? next_pickle (r, data, size, &pos) : NULL;
  gint64 number;

  if (!keys)
    return FALSE;
  if (!defcn_pickle_value_int (&number, defcn_pickle_root (protocol))
      || number != 1001)
    return fail (r, "not a PyTorch stream of protocol 1001");
  const DefcnPickleValue *little =
      defcn_pickle_value_get (defcn_pickle_root (system), "little_endian");
  if (little && !little->number)
    return fail (r, "its numbers are not little-endian");

  g_autoptr (GHashTable) sizes =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0;; i++) {
    const DefcnPickleValue *value = defcn_pickle_persistent (checkpoint, i);

    if (!value)
      break;
    learn_sizes (sizes, value);
  }
  r->storages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return read_storages (r, defcn_pickle_root (keys), sizes, data, size, pos)
      && read_checkpoint (r, checkpoint);
}

gboolean
defcn_torch_is (const guint8 *data, gsize size)
{
  return defcn_zip_is (data, size)
      || (size >= sizeof legacy_magic
          && memcmp (data, legacy_magic, sizeof legacy_magic) == 0);
}

DefcnForeign *
defcn_torch_open (const guint8 *data, gsize size, gboolean ema,
    const char *name, GError **error)
{
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new (name, "torch", size);
  Reader r = { .name = name, .ema = ema, .foreign = foreign, .error = error };
  const gboolean good = defcn_zip_is (data, size)
      ? read_zip (&r, data, size)
      : read_stream (&r, data, size);

  g_clear_pointer (&r.zip, defcn_zip_free);
  g_clear_pointer (&r.bytes, g_bytes_unref);
  g_clear_pointer (&r.storages, g_hash_table_unref);
  g_free (r.folder);
  g_free (r.entry);
  return good ? g_steal_pointer (&foreign) : NULL;
}
