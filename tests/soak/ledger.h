/* Which frames have gone into a chain of elements and come out of it: lost and
 * reordered ones, exactly.
 *
 * A frame has its number in GST_BUFFER_OFFSET.  What a flush, a stop or an
 * error of the stream discards is not lost; what is missing when a later frame
 * comes out is, and so is what is left at the end of a stream without an error.
 *
 * Thread rule: any thread.
 */
#pragma once

#include <gst/gst.h>

typedef struct
{
  GMutex lock;
  GCond ended;
  GQueue under_way; /* numbers, in order */
  gboolean flushing, eos, stopped;
  guint64 in, out, lost, reordered;
  guint left; /* what was under way when the end of the stream came out */
} Ledger;

void ledger_init (Ledger *ledger);
void ledger_clear (Ledger *ledger);

/* Numbers and counts what comes to @into, and watches what comes to @from.
 * @stamp: frames have no numbers yet (they come out of a decoder). */
void ledger_watch (Ledger *ledger, GstPad *into, GstPad *from, gboolean stamp);

/* The sink has returned an error or the end: queues before it discard, and may
 * go on behind a SEGMENT event.  Nothing is lost until a flush or a stop. */
void ledger_die (Ledger *ledger);

/* Nothing is under way any more: the chain has stopped. */
void ledger_forget (Ledger *ledger);

/* Waits until the end of the stream has come out, or cannot any more because of
 * a flush or a stop; FALSE after a second. */
gboolean ledger_wait_eos (Ledger *ledger);
/* No error has come before that: what was left is lost. */
void ledger_end (Ledger *ledger);

guint64 ledger_lost (Ledger *ledger);
