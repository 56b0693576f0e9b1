/* Tracks as MOT-challenge writes them: one box a line,
 *
 *   frame, id, x, y, width, height, mark, class, ...
 *
 * commas or blanks between, frames from 1, pixels.  In annotations @mark is 0
 * for what is not to be evaluated and @class says what it is (MOT16 and later:
 * 1 pedestrian, 2 person on vehicle, 7 static person, 8 distractor, 12
 * reflection; -1 or missing in 2D MOT 2015); in results @mark is a score, and
 * the class -1, 1 or missing.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A box of a sequence: @id counts from 0 without gaps. */
typedef struct
{
  int id;
  double x1, y1, x2, y2;
} DefcnMotBox;

/* Boxes first .. first + n - 1 of the annotations, and of the results. */
typedef struct
{
  guint truth, n_truth, result, n_result;
} DefcnMotFrame;

/* What is to be compared. */
typedef struct
{
  GArray *frames;         /* DefcnMotFrame, those with a box of either */
  GArray *truth, *result; /* DefcnMotBox */
  int n_truth, n_result;  /* ids */
  guint n_frames;         /* the last frame of either file */
  guint n_ignored;        /* annotations left out */
  guint n_removed;        /* results on distractors */
} DefcnMotSequence;

/* Reads both and leaves out what the challenge leaves out, as TrackEval 1.0
 * does.  Where annotations have classes: results that the best matching at IoU
 * 0.5, with all annotations, gives to a distractor (classes 2, 7, 8, 12) go,
 * and annotations go that are no pedestrians or have the mark 0.  Without
 * classes: annotations with the mark 0 go and nothing else.  @raw: nothing at
 * all goes.  Returns: (transfer full); NULL with @error that names file and
 * line: no numbers, fewer than six of them, a frame below 1, an id that a frame
 * has twice, more than 2000 boxes in one, a class that there is not; or the
 * file: more than 50 million pairs of an object and a track. */
DefcnMotSequence *defcn_mot_sequence_open (const char *truth,
    const char *result, gboolean raw, GError **error);
void defcn_mot_sequence_free (DefcnMotSequence *sequence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnMotSequence, defcn_mot_sequence_free)

/* Intersection over union of two boxes, in double; 0 where one has no area. */
double defcn_mot_iou (const DefcnMotBox *a, const DefcnMotBox *b);

G_END_DECLS
