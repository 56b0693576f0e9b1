/* A place that text is written to: a file, a FIFO, standard output or another
 * descriptor.
 *
 * Texts never mix: what is written by one call comes out in one piece, whoever
 * writes to the same place by other GstDefcnPlaces, of this process (they take
 * turns by inode) or of others (flock(), on files and pipes).  A text that was
 * cut, because its reader was slow and the wait was cancelled, is completed
 * before anything else is written.
 *
 * Waiting, for a reader or for a turn, can be cancelled from any thread.  Else
 * one thread at a time.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstDefcnPlace GstDefcnPlace;

typedef enum
{
  GST_DEFCN_PLACE_APPEND = 1 << 0, /* keep what the file has */
  GST_DEFCN_PLACE_ALONE = 1 << 1,  /* nobody else may write there meanwhile */
} GstDefcnPlaceFlags;

/* To be called when the plugin is loaded: if standard output is closed by then,
 * whatever has its number later is not standard output. */
void gst_defcn_place_init (void);

/* @fd: what to write to, left open for its owner; -1: @location, which NULL,
 * "-" or "/dev/stdout" makes standard output.  A file is made empty, unless it
 * is to be appended to or somebody writes there through a place of this kind
 * already.  Unless it is had alone every text goes to its end.  A FIFO need not
 * have a reader yet.  NULL, and @error of the domain GST_RESOURCE_ERROR, if it
 * cannot be opened or is not to be had alone. */
GstDefcnPlace *gst_defcn_place_open (const char *location, int fd,
    GstDefcnPlaceFlags flags, GError **error);

/* Writes @text.  @wait: for a turn and a reader, as long as that takes; else it
 * is written if both are there.  *@begun: whether a part of it has been, all of
 * it unless the place is closed before the next write.  GST_FLOW_FLUSHING:
 * cancelled, or not waited.  GST_FLOW_ERROR and @error: it cannot be written.
 */
GstFlowReturn gst_defcn_place_write (GstDefcnPlace *place, const char *text,
    gboolean wait, gboolean *begun, GError **error);

/* Goes back by @n bytes, or to the end.  FALSE where there is no way back: in
 * what was not opened here, and in what is no file. */
gboolean gst_defcn_place_go_back (GstDefcnPlace *place, gsize n);
void gst_defcn_place_go_to_end (GstDefcnPlace *place);

/* While flushing, a wait and every later one give up; from any thread. */
void gst_defcn_place_set_flushing (GstDefcnPlace *place, gboolean flushing);

/* FALSE and @error when the system tells only now that something was not
 * written. */
gboolean gst_defcn_place_close (GstDefcnPlace *place, GError **error);

G_END_DECLS
