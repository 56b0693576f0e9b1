/* One stream of the soak: a camera, the project's elements and a sink, to which
 * its thread does by a seeded dice what happens to streams in weeks.
 *
 * Thread rule: new, start and free belong to one thread; counts, tell and
 * storm may be called from any.
 */
#pragma once

#include "ledger.h"

typedef struct
{
  const char *folder; /* for files */
  const char *device;
  char *models[3]; /* two that load, one that is none */
  guint pause;     /* us between two frames */
} StreamOptions;

typedef struct _Stream Stream;

Stream *stream_new (const StreamOptions *options, guint number, guint32 seed);
/* Has the thread end, and waits for that. */
void stream_free (Stream *stream);
void stream_start (Stream *stream);

/* Whatever others may do at any time to a stream that runs: properties, seeks,
 * queries, stops, log files moved away.  Drawn from @rand. */
void stream_storm (Stream *stream, GRand *rand);

typedef struct
{
  guint64 frames, lost, reordered;
  guint64 given;                      /* frames of the camera */
  guint faults, restarts, unexpected; /* errors that no fault has earned */
} StreamCounts;

void stream_counts (Stream *stream, StreamCounts *counts);
/* Says where it stands, for somebody who looks for why it hangs. */
void stream_tell (Stream *stream);
