/* The thread that encodes and writes pictures, and the bounded queue before it.
 *
 * Whoever pushes never waits for the disk.  Takes of one slot go to one file,
 * the later in the place of the earlier; one that still waits is replaced in
 * the queue.
 *
 * Thread rule: one thread pushes; the others may be called from any.
 */
#pragma once

#include "folder.h"
#include "picture.h"
#include "redact.h"

G_BEGIN_DECLS

/* A file to be, shared by who decides and who writes. */
typedef struct
{
  char *name; /* below the folder, as wished for */
  GstDefcnFolderHow how;
  GQuark event, place, direction; /* that began it, 0: none */
  GstDefcnFile file, record;      /* the thread's */
} GstDefcnSlot;

/* Takes @name. */
GstDefcnSlot *gst_defcn_slot_new (char *name, GstDefcnFolderHow how);
GstDefcnSlot *gst_defcn_slot_ref (GstDefcnSlot *slot);
void gst_defcn_slot_unref (GstDefcnSlot *slot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnSlot, gst_defcn_slot_unref)

/* One picture for it. */
typedef struct
{
  GstDefcnSlot *slot;
  GstDefcnPicture picture;
  GstDefcnRedaction redaction;
  GstStructure *about; /* what the message says, but for the file */
  int quality;         /* 1..100 */
  gboolean with_record;
  guint64 max_files, max_bytes; /* of the folder, 0: any */
} GstDefcnTake;

void gst_defcn_take_free (GstDefcnTake *take);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnTake, gst_defcn_take_free)

/* What became of one. */
typedef struct
{
  gboolean replaced; /* an earlier picture */
  gsize bytes;       /* written, the record's too */
  guint deleted;     /* pictures, for want of room */
  const char *path;  /* of the file, NULL if it could not be written */
  const GError *error;
} GstDefcnOutcome;

/* Called by the thread, with no lock held; @take's structure may be taken. */
typedef void (*GstDefcnWriterDone) (GstElement *owner, GstDefcnTake *take,
    const GstDefcnOutcome *outcome);

typedef struct _GstDefcnWriter GstDefcnWriter;

/* @folder, @depth: as gst_defcn_folder_open() has them.  @owner: whom @done is
 * told, as long as there is one. */
GstDefcnWriter *gst_defcn_writer_new (const char *folder, guint depth,
    GstElement *owner, GstDefcnWriterDone done);

/* Whether a take for @slot, (nullable), of @bytes would be taken with at most
 * @most in the queue. */
gboolean gst_defcn_writer_has_room (GstDefcnWriter *writer,
    const GstDefcnSlot *slot, guint most, gsize bytes);
/* Takes @take.  Whoever has not asked for room before goes beyond the bound. */
void gst_defcn_writer_push (GstDefcnWriter *writer, GstDefcnTake *take);

/* Waits until all is written, for @timeout at most; FALSE then. */
gboolean gst_defcn_writer_drain (GstDefcnWriter *writer, GstClockTime timeout);

/* The same, and then ends the thread.  One that hangs in a file system that
 * does not answer is left alone and ends once it does.  Returns how many takes
 * were not written. */
guint gst_defcn_writer_close (GstDefcnWriter *writer, GstClockTime timeout);

G_END_DECLS
