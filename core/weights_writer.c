/* The model file: an atomic safetensors writer. */
#include "weights.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "half.h"

/* A tensor to be written. */
typedef struct
{
  char *name;
  DefcnDtype dtype;
  int n_dims;
  gint64 dims[DEFCN_WEIGHTS_MAX_DIMS];
  gsize len, bytes;
  guint8 *data; /* little-endian */
} Entry;

struct _DefcnWeightsWriter
{
  GTree *metadata; /* char * -> char * */
  GTree *entries;  /* name -> Entry */
};

/* What is written is one of two. */
static gsize
bytes_of (DefcnDtype dtype)
{
  return dtype == DEFCN_DTYPE_F32 ? 4 : 2;
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->name);
  g_free (entry->data);
  g_free (entry);
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

DefcnWeightsWriter *
defcn_weights_writer_new (void)
{
  DefcnWeightsWriter *writer = g_new (DefcnWeightsWriter, 1);

  writer->metadata = g_tree_new_full (compare_names, NULL, g_free, g_free);
  writer->entries = g_tree_new_full (compare_names, NULL, NULL, entry_free);
  return writer;
}

void
defcn_weights_writer_free (DefcnWeightsWriter *writer)
{
  if (!writer)
    return;
  g_tree_unref (writer->metadata);
  g_tree_unref (writer->entries);
  g_free (writer);
}

void
defcn_weights_writer_metadata (DefcnWeightsWriter *writer, const char *key,
    const char *value)
{
  g_tree_replace (writer->metadata, g_strdup (key), g_strdup (value));
}

void
defcn_weights_writer_add (DefcnWeightsWriter *writer, const char *name,
    DefcnDtype dtype, int n_dims, const gint64 *dims, const float *data)
{
  Entry *entry = g_new0 (Entry, 1);

  g_return_if_fail (dtype == DEFCN_DTYPE_F32 || dtype == DEFCN_DTYPE_F16);
  g_return_if_fail (n_dims <= DEFCN_WEIGHTS_MAX_DIMS);
  entry->name = g_strdup (name);
  entry->dtype = dtype;
  entry->n_dims = n_dims;
  entry->len = 1;
  for (int i = 0; i < n_dims; i++) {
    entry->dims[i] = dims[i];
    entry->len *= dims[i];
  }
  entry->bytes = entry->len * bytes_of (dtype);
  entry->data = g_malloc (entry->bytes);
  for (gsize i = 0; i < entry->len; i++) {
    guint32 word;

    if (dtype == DEFCN_DTYPE_F16)
      word = defcn_half_from_float (data[i]);
    else
      memcpy (&word, &data[i], sizeof word);
    word = GUINT32_TO_LE (word);
    memcpy (entry->data + i * bytes_of (dtype), &word, bytes_of (dtype));
  }
  g_tree_replace (writer->entries, entry->name, entry);
}

static gboolean
header_metadata (gpointer key, gpointer value, gpointer data)
{
  cJSON_AddStringToObject (data, key, value);
  return FALSE;
}

typedef struct
{
  cJSON *header;
  guint64 offset;
} Layout;

static gboolean
header_entry (gpointer key, gpointer value, gpointer data)
{
  const Entry *entry = value;
  Layout *layout = data;
  cJSON *item = cJSON_AddObjectToObject (layout->header, key);
  cJSON *shape, *offsets;

  cJSON_AddStringToObject (item, "dtype",
      entry->dtype == DEFCN_DTYPE_F32 ? "F32" : "F16");
  shape = cJSON_AddArrayToObject (item, "shape");
  for (int i = 0; i < entry->n_dims; i++)
    cJSON_AddItemToArray (shape, cJSON_CreateNumber (entry->dims[i]));
  offsets = cJSON_AddArrayToObject (item, "data_offsets");
  cJSON_AddItemToArray (offsets, cJSON_CreateNumber (layout->offset));
  layout->offset += entry->bytes;
  cJSON_AddItemToArray (offsets, cJSON_CreateNumber (layout->offset));
  return FALSE;
}

/* Name of a tensor that does not fit its half precision, or NULL. */
static gboolean
find_overflow (gpointer key, gpointer value, gpointer data)
{
  const Entry *entry = value;

  for (gsize i = 0; entry->dtype == DEFCN_DTYPE_F16 && i < entry->len; i++) {
    guint16 half;

    memcpy (&half, entry->data + 2 * i, 2);
    if ((GUINT16_FROM_LE (half) & 0x7c00) == 0x7c00) {
      *(const char **) data = key;
      return TRUE;
    }
  }
  return FALSE;
}

/* What comes before the data: its length, JSON, spaces up to 8 bytes.
 * @data_len: bytes of the data. */
static GString *
make_header (DefcnWeightsWriter *writer, guint64 *data_len)
{
  Layout layout = { .header = cJSON_CreateObject () };
  GString *file = g_string_new (NULL);

  if (g_tree_nnodes (writer->metadata) > 0)
    g_tree_foreach (writer->metadata, header_metadata,
        cJSON_AddObjectToObject (layout.header, "__metadata__"));
  g_tree_foreach (writer->entries, header_entry, &layout);

  char *text = cJSON_PrintUnformatted (layout.header);
  const gsize length = strlen (text);
  const gsize padded = (length + 7) / 8 * 8; /* data aligned to 8 bytes */
  const guint64 le = GUINT64_TO_LE ((guint64) padded);
  g_string_append_len (file, (const char *) &le, 8);
  g_string_append_len (file, text, length);
  for (gsize i = length; i < padded; i++)
    g_string_append_c (file, ' ');
  cJSON_free (text);
  cJSON_Delete (layout.header);
  *data_len = layout.offset;
  return file;
}

guint64
defcn_weights_writer_size (DefcnWeightsWriter *writer)
{
  guint64 data_len;
  g_autoptr (GString) header = make_header (writer, &data_len);

  return header->len + data_len;
}

static gboolean
write_all (int fd, const void *bytes, gsize len)
{
  const char *data = bytes;

  while (len > 0) {
    const gssize n = write (fd, data, len);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    data += n;
    len -= n;
  }
  return TRUE;
}

/* Stops at the first that cannot be written: *@data, a descriptor, becomes
 * -1. */
static gboolean
write_entry (gpointer key, gpointer value, gpointer data)
{
  const Entry *entry = value;
  int *fd = data;

  if (write_all (*fd, entry->data, entry->bytes))
    return FALSE;
  *fd = -1;
  return TRUE;
}

static gboolean
write_file (int fd, DefcnWeightsWriter *writer)
{
  guint64 data_len;
  g_autoptr (GString) header = make_header (writer, &data_len);

  if (!write_all (fd, header->str, header->len))
    return FALSE;
  g_tree_foreach (writer->entries, write_entry, &fd);
  return fd >= 0;
}

/* The rename is on disk only when the folder is. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  const int fd = g_open (folder, O_RDONLY | O_DIRECTORY, 0);

  if (fd >= 0) {
    fsync (fd);
    close (fd);
  }
}

gboolean
defcn_weights_writer_save (DefcnWeightsWriter *writer, const char *path,
    GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  const char *overflow = NULL;

  g_tree_foreach (writer->entries, find_overflow, &overflow);
  if (overflow) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: tensor \"%s\" does not fit half precision", path, overflow);
    return FALSE;
  }

  GStatBuf about;
  if (g_stat (path, &about) == 0 && !S_ISREG (about.st_mode)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: cannot be written: %s", path,
        S_ISDIR (about.st_mode) ? "is a folder" : "is no regular file");
    return FALSE;
  }

  const int fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
        "%s: cannot be written: %s", path, g_strerror (errno));
    return FALSE;
  }

  gboolean good = write_file (fd, writer) && fsync (fd) == 0;
  int failed = errno;
  good = close (fd) == 0 && good;
  if (good && g_rename (temporary, path) != 0) {
    failed = errno;
    good = FALSE;
  }
  if (!good) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (failed),
        "%s: cannot be written: %s", path, g_strerror (failed));
    g_unlink (temporary);
    return FALSE;
  }
  sync_folder (path);
  return TRUE;
}
