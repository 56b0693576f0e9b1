/* A detector that the test plays: it finds, fails and takes its time as it is
 * told.  It stands in the place of the core's, for programs that are linked
 * with this file and with the parts of the plugin.
 *
 * What has to happen at a certain moment is made to happen there: a test holds
 * the detector, waits until it works, does what it has to do, and lets it go.
 * Nothing here rests on time, but for set_pace().
 *
 * Thread rule: any thread.
 */
#pragma once

#include <gst/check/gstharness.h>

#include "detector.h"

/* In place of rig_init(), which loads the plugin with the core's detector:
 * g_test_init(), gst_init(), and the elements of the parts that are linked. */
void fake_detector_init (int *argc, char ***argv);

/* Forgets all that follows.  To be called first in each test. */
void fake_detector_reset (void);

/* What opening says: a model of "person", "car" and "dog", threshold 0.3, at
 * most 50 objects, device "fake".  NULL @passed_over and @tuning_problem:
 * nothing. */
void fake_detector_set_problems (const char *passed_over,
    const char *tuning_problem);
/* With that error it does not open. */
void fake_detector_set_open_error (int code);

/* What the run number @i finds and how long it took, by its own account; from
 * the last such on all runs are like it.  None are set: nothing, 1 ns each. */
void fake_detector_add_run (const DefcnBox *boxes, guint n,
    DefcnTimings timings);
/* The next runs fail. */
void fake_detector_set_failing (gboolean failing);

/* What every pass takes of the clock, ms; 0 at first. */
void fake_detector_set_pace (guint ms);

/* While it is held every run waits. */
void fake_detector_hold (void);
void fake_detector_release (void);
/* While it is held, the next @n runs do not wait: they overtake who does. */
void fake_detector_let (guint n);
/* Waits until a run waits, or until @n runs have ended, since the reset. */
void fake_detector_wait_held (void);
void fake_detector_wait_runs (guint n);
/* Waits until @thread waits for a GCond in what the program is linked with.
 * The mutex of that is free from then on, not before: who takes it finds the
 * thread waiting. */
void fake_detector_wait_asleep (GThread *thread);
/* The same for the thread of the last run: after fake_detector_wait_runs() that
 * is until its result has been handed over. */
void fake_detector_wait_idle (void);
/* That thread, idle, does not wake until it is let: what is handed over waits.
 */
void fake_detector_freeze (void);
void fake_detector_thaw (void);

/* While that is held every opening of a model waits. */
void fake_detector_hold_opening (void);
void fake_detector_release_opening (void);
void fake_detector_wait_opening (void);
/* Models that are opened from now on have that one, interned, for "dog". */
void fake_detector_set_other_label (const char *label);

/* An image of this width makes the pass fail that it is in. */
#define FAKE_DETECTOR_BAD_WIDTH 66

/* A run is an image: several go through in one pass.  Of each: the number of
 * its pass, how many were in that, which of the models that were opened since
 * the reset it was, and the thread. */
guint fake_detector_pass_of (guint run);
guint fake_detector_company (guint run);
guint fake_detector_model (guint run);
GThread *fake_detector_thread (guint run);

/* Since the reset: runs that have ended, and what one of them was given. */
guint fake_detector_n_runs (void);
DefcnImage fake_detector_image (guint run);
DefcnRegion fake_detector_region (guint run);

/* How it was set for the last run. */
float fake_detector_threshold (void);
int fake_detector_max_detections (void);
float fake_detector_duplicate_filter (void);
/* -1: there are none. */
float fake_detector_class_threshold (int label);
/* The options that the last one was opened with; strings interned. */
DefcnDetectorOptions fake_detector_options (void);
/* That are open, and that have been opened since the reset. */
int fake_detector_n_open (void);
guint fake_detector_n_opened (void);

/* What the tests of the element on such a detector share. */
#define FAKE_DETECTOR_WIDTH 160
#define FAKE_DETECTOR_HEIGHT 120
#define FAKE_DETECTOR_CAPS                                                     \
  "video/x-raw,format=RGB,width=160,height=120,framerate=25/1"

/* "defcndetect PROPERTIES" on it. */
GstHarness *fake_detector_harness (const char *properties, const char *caps);
/* The same after a reset, with the caps above; each run finds this box, which
 * has no two numbers the same, and takes these times. */
GstHarness *fake_detector_finding (const char *properties);
extern const DefcnBox fake_detector_box;
extern const DefcnTimings fake_detector_times;

/* Frame @n of 25 a second through @h. */
GstBuffer *fake_detector_pass (GstHarness *h, guint n);
/* Down to READY and up again. */
void fake_detector_restart (GstHarness *h);
