/* Records on their way to a broker: a queue of limited size between the
 * streaming thread, which never waits, and a thread of the broker's own.
 *
 * A record is accepted when it is pushed, and then is sent, dropped or still
 * queued: accepted = sent + dropped + queued at any time.  When there is no
 * room the oldest that waits is dropped.  What the broker's client has taken is
 * out of the queue's limits, and is not dropped, until the client says what
 * became of it.
 *
 * The client's thread:
 *
 *   while (!gst_defcn_outbox_is_over (outbox)) {
 *     while ((item = gst_defcn_outbox_take (outbox)))
 *       send (item);
 *     gst_defcn_outbox_poll (outbox, socket, POLLIN, 1000);
 *     if (acknowledged (&item))
 *       gst_defcn_outbox_sent (outbox, item);
 *   }
 */
#pragma once

#include "broker.h"

G_BEGIN_DECLS

/* A record that the client has taken, valid until it says what became of it, or
 * its thread ends. */
typedef struct
{
  GList link;              /* of the outbox */
  GRefString *topic, *key; /* @key: NULL for none */
  char *text;
  gsize size;
  int id; /* the client's own */
} GstDefcnOutboxItem;

/* The streaming side: any thread, one at a time. */

/* Starts a thread that runs @client, which it then owns.  @element gets the
 * messages: a WARNING when the broker is lost, an INFO when it is back. */
GstDefcnOutbox *gst_defcn_outbox_new (GstElement *element,
    const GstDefcnBroker *broker, gpointer client, guint max_records,
    guint64 max_bytes);

/* Takes @text.  Does not wait. */
void gst_defcn_outbox_push (GstDefcnOutbox *outbox, GRefString *topic,
    GRefString *key, char *text);
/* Of the records that wait; what is too many is dropped. */
void gst_defcn_outbox_set_limits (GstDefcnOutbox *outbox, guint max_records,
    guint64 max_bytes);

/* (transfer full): "accepted", "sent", "dropped", "queued", "reconnects":
 * uint64, "connected": boolean; of NULL zeros.  From any thread. */
GstStructure *gst_defcn_outbox_stats (GstDefcnOutbox *outbox);

/* Waits for what is queued, for @timeout ms at most and 200 ms more for a
 * farewell, drops the rest, with a WARNING, and frees @outbox, or leaves that
 * to the thread where it hangs, for which the end of the process waits 2 s.
 * (transfer full): the stats at the end. */
GstStructure *gst_defcn_outbox_close (GstDefcnOutbox *outbox, guint timeout);

/* The client's side: its thread alone. */

/* Whether there is nothing more to do: closed, and nothing queued or no time
 * left. */
gboolean gst_defcn_outbox_is_over (GstDefcnOutbox *outbox);

/* The next record in the order of pushing; NULL where there is none, or as many
 * have been taken as the broker's window allows. */
GstDefcnOutboxItem *gst_defcn_outbox_take (GstDefcnOutbox *outbox);
/* It has arrived. */
void gst_defcn_outbox_sent (GstDefcnOutbox *outbox, GstDefcnOutboxItem *item);
/* The broker, or its client, will never take it, @why: dropped, with a WARNING
 * unless the one before was refused too. */
void gst_defcn_outbox_refused (GstDefcnOutbox *outbox, GstDefcnOutboxItem *item,
    const char *why);
/* All that has been taken is to be taken again, before anything else. */
void gst_defcn_outbox_retake (GstDefcnOutbox *outbox);

/* Waits for @events of @fd (-1: none), a change of the outbox or @timeout ms,
 * not beyond the outbox's end.  Returns the events that are there. */
short gst_defcn_outbox_poll (GstDefcnOutbox *outbox, int fd, short events,
    int timeout);
/* An eventfd that wakes gst_defcn_outbox_poll(), for others to write to. */
int gst_defcn_outbox_fd (GstDefcnOutbox *outbox);

/* The broker is there; or is not, @why of the domain GST_RESOURCE_ERROR.  Each
 * may be told again and again. */
void gst_defcn_outbox_set_up (GstDefcnOutbox *outbox);
void gst_defcn_outbox_set_down (GstDefcnOutbox *outbox, const GError *why);

G_END_DECLS
