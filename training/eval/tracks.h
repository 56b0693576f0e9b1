/* How good tracks are: CLEAR MOT (Bernardin and Stiefelhagen 2008), identity
 * (Ristani et al. 2016) and HOTA (Luiten et al. 2021) of one sequence, as
 * TrackEval 1.0 computes them.
 *
 * py-motmetrics 1.4 computes CLEAR MOT by other rules, "lasting": an object
 * goes on with the track that it had last however long ago, here if it had it
 * in the frame before (which can change who matches whom); and frames without
 * an annotation of an object do not break it, here they are fragments.  Both
 * are measured; identity is the same, and MOTP is 1 - IoU there.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <cjson/cJSON.h>

#include "mot.h"

G_BEGIN_DECLS

/* CLEAR MOT, at IoU .5. */
typedef struct
{
  double mota, recall, precision;
  double motp; /* mean IoU of what matches */
  guint tp, fp, fn, switches, fragments;
  guint mostly_tracked, partly_tracked, mostly_lost; /* objects */
} DefcnClearFigures;

typedef struct
{
  /* Means over the 19 thresholds of IoU .05 .. .95, 0..1. */
  double hota, deta, assa, detre, detpr, assre, asspr, loca;
  DefcnClearFigures clear, lasting;
  double idf1, idp, idr; /* at IoU .5 */
  guint idtp, idfp, idfn;
  guint n_frames, n_objects, n_tracks, n_truth, n_result; /* ids, then boxes */
  guint n_ignored, n_removed;
} DefcnTrackFigures;

void defcn_tracks_measure (const DefcnMotSequence *sequence,
    DefcnTrackFigures *figures);

/* (transfer full): what `defcn eval --tracks` prints. */
char *defcn_tracks_table (const DefcnTrackFigures *figures);
/* Adds all to @object, flat; CLEAR MOT by the other rules as "lasting". */
void defcn_tracks_to_json (const DefcnTrackFigures *figures, cJSON *object);

G_END_DECLS
