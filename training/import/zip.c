/* Zip archives of stored entries, read from their central directory. */
#include "zip.h"

#include "error.h"

#include <string.h>

#define END_SIZE 22       /* end of central directory without comment */
#define DIRECTORY_SIZE 46 /* one entry of the directory without its name */
#define LOCAL_SIZE 30     /* header in front of an entry's bytes */

typedef struct
{
  char *name;
  gsize offset, size;
} Entry;

struct _DefcnZip
{
  const guint8 *data;
  GPtrArray *entries;  /* of Entry, in the directory's order */
  GHashTable *by_name; /* name -> Entry */
};

typedef struct
{
  const guint8 *data;
  gsize size;
  const char *where;
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
  g_set_error (r->error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: zip: %s",
      r->where, text);
  return FALSE;
}

static guint
u16 (const guint8 *p)
{
  return p[0] | p[1] << 8;
}

static guint32
u32 (const guint8 *p)
{
  return u16 (p) | (guint32) u16 (p + 2) << 16;
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->name);
  g_free (entry);
}

/* The record at the end of the file, in front of a comment of up to 64 KiB. */
static const guint8 *
find_end (const Reader *r)
{
  for (gsize back = END_SIZE; back <= MIN (r->size, END_SIZE + 65535); back++) {
    const guint8 *p = r->data + r->size - back;

    if (memcmp (p, "PK\5\6", 4) == 0 && u16 (p + 20) + END_SIZE == back)
      return p;
  }
  return NULL;
}

/* Where the bytes of an entry start, behind its local header. */
static gboolean
find_bytes (const Reader *r, Entry *entry, gsize header)
{
  if (header > r->size || r->size - header < LOCAL_SIZE
      || memcmp (r->data + header, "PK\3\4", 4) != 0)
    return fail (r, "entry \"%s\" is not where the directory says",
        entry->name);
  entry->offset = header + LOCAL_SIZE + u16 (r->data + header + 26)
      + u16 (r->data + header + 28);
  if (entry->offset > r->size || entry->size > r->size - entry->offset)
    return fail (r, "entry \"%s\" is cut off", entry->name);
  return TRUE;
}

/* One entry of the directory at *@pos, which moves behind it. */
static gboolean
read_entry (const Reader *r, DefcnZip *zip, gsize *pos)
{
  const guint8 *p = r->data + *pos;

  if (r->size - *pos < DIRECTORY_SIZE || memcmp (p, "PK\1\2", 4) != 0)
    return fail (r, "its directory is damaged");
  const gsize name_len = u16 (p + 28);
  const gsize len = DIRECTORY_SIZE + name_len + u16 (p + 30) + u16 (p + 32);
  if (r->size - *pos < len)
    return fail (r, "its directory is cut off");

  Entry *entry = g_new0 (Entry, 1);
  entry->name = g_utf8_make_valid ((const char *) p + DIRECTORY_SIZE, name_len);
  entry->size = u32 (p + 24);
  g_ptr_array_add (zip->entries, entry);
  *pos += len;
  if (u16 (p + 8) & 1 || u16 (p + 10) != 0 || u32 (p + 20) != u32 (p + 24))
    return fail (r, "entry \"%s\" is compressed or encrypted", entry->name);
  if (u32 (p + 24) == G_MAXUINT32 || u32 (p + 42) == G_MAXUINT32)
    return fail (r, "entry \"%s\" is larger than 4 GiB", entry->name);
  if (g_hash_table_contains (zip->by_name, entry->name))
    return fail (r, "entry \"%s\" is there twice", entry->name);
  g_hash_table_insert (zip->by_name, entry->name, entry);
  return find_bytes (r, entry, u32 (p + 42));
}

gboolean
defcn_zip_is (const guint8 *data, gsize size)
{
  return size >= 4 && memcmp (data, "PK\3\4", 4) == 0;
}

DefcnZip *
defcn_zip_open (const guint8 *data, gsize size, const char *where,
    GError **error)
{
  const Reader r = { data, size, where, error };
  const guint8 *end = find_end (&r);
  g_autoptr (DefcnZip) zip = NULL;

  if (!end) {
    fail (&r, "cut off: no directory at its end");
    return NULL;
  }
  gsize pos = u32 (end + 16);
  if (pos > size) {
    fail (&r, "cut off, or larger than 4 GiB");
    return NULL;
  }
  zip = g_new (DefcnZip, 1);
  zip->data = data;
  zip->entries = g_ptr_array_new_with_free_func (entry_free);
  zip->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < u16 (end + 10); i++)
    if (!read_entry (&r, zip, &pos))
      return NULL;
  return g_steal_pointer (&zip);
}

void
defcn_zip_free (DefcnZip *zip)
{
  if (!zip)
    return;
  g_hash_table_unref (zip->by_name);
  g_ptr_array_unref (zip->entries);
  g_free (zip);
}

const char *
defcn_zip_find (const DefcnZip *zip, const char *suffix)
{
  for (guint i = 0; i < zip->entries->len; i++) {
    const Entry *entry = zip->entries->pdata[i];

    if (g_str_has_suffix (entry->name, suffix))
      return entry->name;
  }
  return NULL;
}

const guint8 *
defcn_zip_get (const DefcnZip *zip, const char *name, gsize *size)
{
  const Entry *entry = g_hash_table_lookup (zip->by_name, name);

  if (!entry)
    return NULL;
  *size = entry->size;
  return zip->data + entry->offset;
}
