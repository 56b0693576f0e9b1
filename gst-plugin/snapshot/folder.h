/* A folder that pictures are written to, and kept from growing without end.
 *
 * A file comes to be there whole or not at all, through a temporary one and a
 * rename.  One that is there already, whoever has made it, stays: the name gets
 * a number.  Nothing is written through a symbolic link below the folder.  What
 * is deleted for want of room is a picture made here, by its first bytes
 * (jpeg.h), with the record beside it; a file of others never.
 *
 * Those who open one folder in a process share what is known of it, and write
 * in turns; those of other processes are seen when there is no more room.
 *
 * Thread rule: from any thread.
 */
#pragma once

#include <gst/gst.h>
#include <sys/types.h>

G_BEGIN_DECLS

typedef struct _GstDefcnFolder GstDefcnFolder;

/* A file that has been written, or with @name NULL not yet. */
typedef struct
{
  char *name; /* below the folder */
  dev_t device;
  ino_t inode;
  gsize size;
} GstDefcnFile;

void gst_defcn_file_clear (GstDefcnFile *file);

/* Returns: (transfer full).  @depth: how many folders below @path have files.
 */
GstDefcnFolder *gst_defcn_folder_open (const char *path, guint depth);
void gst_defcn_folder_close (GstDefcnFolder *folder);

/* Makes @path and the folders above it, where they are not there, and sees
 * whether files can be made there.  FALSE, and @error of the domain
 * GST_RESOURCE_ERROR, code OPEN_WRITE. */
gboolean gst_defcn_folder_make (const char *path, GError **error);

typedef enum
{
  GST_DEFCN_FOLDER_NEW,       /* a name of its own, with a number if need be */
  GST_DEFCN_FOLDER_OVERWRITE, /* in the place of a picture made here too */
} GstDefcnFolderHow;

/* Writes @data in the place of @file, if that is still the same, else as a new
 * file @name; @file is then what has been written.  *@replaced, (nullable):
 * whether something of ours was there before.  Folders of @name are made, the
 * folder itself is not.  FALSE, and @error of the domain GST_RESOURCE_ERROR,
 * code NO_SPACE_LEFT or WRITE, with everything as it was. */
gboolean gst_defcn_folder_write (GstDefcnFolder *folder, GstDefcnFile *file,
    const char *name, GstDefcnFolderHow how, GBytes *data, gboolean *replaced,
    GError **error);

/* Deletes the oldest pictures made here until there are @max_files and
 * @max_bytes of them at most, 0: any; but not @keep, the last one.  Where there
 * was need to it goes on to a sixteenth less, so as not to list the folder
 * every time.  Returns how many. */
guint gst_defcn_folder_limit (GstDefcnFolder *folder, guint64 max_files,
    guint64 max_bytes, const GstDefcnFile *keep);

/* Returns: (transfer full): @name with @ending in the place of its own. */
char *gst_defcn_folder_beside (const char *name, const char *ending);

/* What a record beside a picture begins with. */
#define GST_DEFCN_FOLDER_RECORD "{\"defcnsnapshot\":"
#define GST_DEFCN_FOLDER_RECORD_ENDING ".json"

G_END_DECLS
