/* A kind of broker that defcnpublish sends records to: what a module of
 * gst-plugin/brokers is, and what it is told.
 *
 * Thread rule: open() from any thread; run() has a thread of its own.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Of outbox.h. */
typedef struct _GstDefcnOutbox GstDefcnOutbox;

/* Each NULL or "" where it was not set. */
typedef struct
{
  char *address;      /* without user and password, which others could read */
  char *status_topic; /* with the source in it; "": none */
  char *client_id;
  char *username;
  char *password_file;                         /* one line */
  char *ca_file, *certificate_file, *key_file; /* PEM */
  char *kafka_config;                          /* librdkafka's properties */
  gboolean tls_verify, retain;
  int mqtt_qos;                 /* 0 or 1 */
  guint keep_alive;             /* s */
  guint max_reconnect_interval; /* s */
} GstDefcnBrokerSettings;

typedef struct _GstDefcnBroker
{
  const char *version; /* DEFCN_VERSION */
  const char *name;    /* of the thread too */
  guint window;        /* how many records may be taken and not acknowledged */

  /* Looks at the settings, without the network.  NULL, and @error of the domain
   * GST_RESOURCE_ERROR, if they are wrong. */
  gpointer (*open) (const GstDefcnBrokerSettings *settings, GError **error);
  /* Until gst_defcn_outbox_is_over().  May hang in the network: then it is left
   * to itself. */
  void (*run) (gpointer client, GstDefcnOutbox *outbox);
  void (*free) (gpointer client);
} GstDefcnBroker;

/* What a module exports. */
const GstDefcnBroker *gst_defcn_broker (void);

G_END_DECLS
