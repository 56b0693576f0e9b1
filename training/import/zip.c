/* Zip archives in memory, by libzip. */
#include "zip.h"

#include "error.h"

#include <string.h>
#include <zip.h>

#define MAX_ENTRIES 100000
#define SLACK (1 << 20) /* bytes that even the smallest archive may hold */

struct _DefcnZip
{
  char *where;
  zip_t *archive;
  gsize size;   /* of all entries */
  gsize budget; /* bytes that may still be read */
};

G_GNUC_PRINTF (3, 4)
static gboolean
fail (GError **error, const char *where, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: zip: %s", where,
      text);
  return FALSE;
}

gboolean
defcn_zip_is (const guint8 *data, gsize size)
{
  return size >= 4 && memcmp (data, "PK\3\4", 4) == 0;
}

/* Without libzip's own strictness, which other writers' archives fail. */
static zip_t *
open_archive (const guint8 *data, gsize size, const char *where, GError **error)
{
  zip_error_t problem;
  zip_t *archive = NULL;

  zip_error_init (&problem);
  zip_source_t *source = zip_source_buffer_create (data, size, 0, &problem);
  if (source
      && !(archive = zip_open_from_source (source, ZIP_RDONLY, &problem)))
    zip_source_free (source);
  if (!archive)
    fail (error, where, "damaged or cut off: %s",
        zip_error_strerror (&problem));
  zip_error_fini (&problem);
  return archive;
}

static gboolean
check_entries (DefcnZip *zip, GError **error)
{
  const gint64 n = zip_get_num_entries (zip->archive, 0);

  if (n > MAX_ENTRIES)
    return fail (error, zip->where,
        "%" G_GINT64_FORMAT " entries, up to %d are read", n, MAX_ENTRIES);
  for (gint64 i = 0; i < n; i++) {
    zip_stat_t stat;

    if (zip_stat_index (zip->archive, i, 0, &stat) != 0)
      return fail (error, zip->where, "entry %" G_GINT64_FORMAT ": %s", i,
          zip_strerror (zip->archive));
    g_autofree char *name = g_utf8_make_valid (stat.name, -1);
    if (zip_name_locate (zip->archive, stat.name, 0) != i)
      return fail (error, zip->where, "entry \"%s\" is there twice", name);
    if (stat.size > zip->budget - zip->size)
      return fail (error, zip->where,
          "entry \"%s\" of %" G_GUINT64_FORMAT
          " bytes is more than the file can hold",
          name, stat.size);
    zip->size += stat.size;
  }
  return TRUE;
}

DefcnZip *
defcn_zip_open (const guint8 *data, gsize size, const char *where,
    GError **error)
{
  zip_t *archive = open_archive (data, size, where, error);

  if (!archive)
    return NULL;
  g_autoptr (DefcnZip) zip = g_new0 (DefcnZip, 1);
  zip->where = g_strdup (where);
  zip->archive = archive;
  if (!g_size_checked_mul (&zip->budget, size, DEFCN_ZIP_MAX_RATIO)
      || !g_size_checked_add (&zip->budget, zip->budget, SLACK))
    zip->budget = G_MAXSIZE;
  return check_entries (zip, error) ? g_steal_pointer (&zip) : NULL;
}

void
defcn_zip_free (DefcnZip *zip)
{
  if (!zip)
    return;
  zip_discard (zip->archive);
  g_free (zip->where);
  g_free (zip);
}

gsize
defcn_zip_size (const DefcnZip *zip)
{
  return zip->size;
}

gboolean
defcn_zip_has (const DefcnZip *zip, const char *name)
{
  return zip_name_locate (zip->archive, name, 0) >= 0;
}

const char *
defcn_zip_find (const DefcnZip *zip, const char *suffix)
{
  const gint64 n = zip_get_num_entries (zip->archive, 0);

  for (gint64 i = 0; i < n; i++) {
    const char *name = zip_get_name (zip->archive, i, 0);

    if (name && g_str_has_suffix (name, suffix))
      return name;
  }
  return NULL;
}

/* Reads @size bytes, and beyond them, where the checksum is looked at. */
static gboolean
read_all (guint8 *dst, zip_file_t *file, gsize size)
{
  guint8 end;
  gsize done = 0;

  while (done < size) {
    const gint64 n = zip_fread (file, dst + done, size - done);

    if (n <= 0)
      return FALSE;
    done += n;
  }
  return zip_fread (file, &end, 1) == 0;
}

GBytes *
defcn_zip_read (DefcnZip *zip, const char *name, GError **error)
{
  zip_stat_t stat;
  zip_file_t *file = NULL;
  g_autofree guint8 *data = NULL;
  g_autofree char *shown = g_utf8_make_valid (name, -1);

  if (zip_stat (zip->archive, name, 0, &stat) != 0
      || !(file = zip_fopen_index (zip->archive, stat.index, 0))) {
    fail (error, zip->where, "entry \"%s\": %s", shown,
        zip_strerror (zip->archive));
    return NULL;
  }
  if (stat.size > zip->budget) {
    fail (error, zip->where,
        "entry \"%s\": more than %d times the file is read", shown,
        DEFCN_ZIP_MAX_RATIO);
  } else {
    zip->budget -= stat.size;
    data = g_try_malloc (MAX (stat.size, 1));
    if (!data) {
      fail (error, zip->where, "entry \"%s\": no memory for its bytes", shown);
    } else if (!read_all (data, file, stat.size)) {
      fail (error, zip->where, "entry \"%s\" is damaged or cut off: %s", shown,
          zip_error_strerror (zip_file_get_error (file)));
      g_clear_pointer (&data, g_free);
    }
  }
  zip_fclose (file);
  return data ? g_bytes_new_take (g_steal_pointer (&data), stat.size) : NULL;
}
