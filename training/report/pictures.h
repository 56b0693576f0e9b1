/* The pictures that models are most wrong about, with the boxes: figures 6 and
 * 7 of the paper.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "subject.h"

G_BEGIN_DECLS

/* The samples with most errors of all @subjects together, of DefcnSubject * of
 * one data set, the worst first, at most @n; none without an error.  (transfer
 * full), of guint. */
GArray *defcn_pictures_worst (const GPtrArray *subjects, guint n);

/* A copy that fits the page; (transfer full). */
DefcnPicture *defcn_pictures_shrink (const DefcnPicture *picture);

/* Appends what the lines around boxes mean. */
void defcn_pictures_append_key (GString *html);
/* Appends sample @i with the boxes of every subject.  FALSE with @error: it
 * cannot be read. */
gboolean defcn_pictures_append (GString *html, const GPtrArray *subjects,
    guint i, GError **error);

G_END_DECLS
