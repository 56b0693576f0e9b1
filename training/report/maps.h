/* Where the scores of a picture are, level by level of the FPN: figure 4 of the
 * paper, a row of maps for every model.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "subject.h"

G_BEGIN_DECLS

/* One level's scores in the part of it that has picture: what its locations
 * score with their best box and class, before anything is dropped. */
typedef struct
{
  int w, h;
  float *scores; /* w * h */
} DefcnScoreMap;

/* Runs the network of @subject on @picture.  FALSE with @error, and no maps. */
gboolean defcn_maps_find (DefcnScoreMap maps[DEFCN_N_LEVELS],
    const DefcnSubject *subject, const DefcnPicture *picture, GError **error);
void defcn_maps_clear (DefcnScoreMap maps[DEFCN_N_LEVELS]);

/* Appends the figure of @picture, called @name, for @subjects, of
 * DefcnSubject *.  @id: a word, the figure's on its page. */
gboolean defcn_maps_append (GString *html, const char *id,
    const GPtrArray *subjects, const DefcnPicture *picture, const char *name,
    GError **error);

/* The colour of a score, 0 .. 1: dark blue to yellow, ever lighter, so that it
 * can be read without colours. */
void defcn_maps_color (guint8 rgb[3], double score);

G_END_DECLS
