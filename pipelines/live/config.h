/* What the program is told: an ini file with a group [live] and a group
 * [camera NAME] for every camera.
 *
 *   [live]
 *   threshold = 0.4          # of all cameras
 *   [camera front door]
 *   uri = rtsp://user:password@192.0.2.7/stream
 *   threshold = 0.5          # of this one
 *
 * Errors name file, group and key; a key that is not known is one.
 *
 * Thread rule: none; nothing changes once it is loaded.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Of the domain LIVE_CONFIG_ERROR, whatever it is that is wrong. */
#define LIVE_CONFIG_ERROR (live_config_error_quark ())
GQuark live_config_error_quark (void);

#define LIVE_CONFIG_MAX_CAMERAS 256

/* What a camera is told.  But for the address every key may stand in [live],
 * for all cameras.  NULL: not set. */
typedef struct
{
  char *name;
  char *uri;
  double threshold; /* below 0: the model's */
  char *class_thresholds, *classes, *regions;
  guint max_detections; /* 0: the model's */
  guint interval;       /* every so many frames are looked at */
  double skip_still;    /* steps of 255 luma that are a change; 0: any */
  gboolean track;       /* objects have ids */
  gboolean all_frames;  /* records of frames with nothing on them too */
  char *protocol;       /* of RTSP: auto, tcp, udp */
  guint latency;        /* of RTSP, ms */
  guint timeout;        /* seconds without a frame until it is lost */
  guint page_width;     /* pixels of the pictures of the page, at most */
  guint page_fps;       /* while somebody looks */
  guint page_quality;   /* of JPEG */
  char *redact;         /* classes that the page does not show; NULL: none */
} LiveCameraConfig;

typedef struct
{
  char *model, *device, *precision; /* NULL: the plugin's */
  char *model_file; /* which one is at that path, as of now; NULL: not known */
  guint serial;     /* another one for every model, or other settings of it */
  guint threads;
  guint workers;       /* 0: the plugin's */
  guint batch_size;    /* 0: the plugin's */
  int batch_timeout;   /* ms; below 0: the plugin's */
  char *listen;        /* numeric address; "none": no page */
  guint port;          /* 0: any */
  char *token_file;    /* NULL: none */
  char **hosts;        /* names that a browser may call it by */
  guint max_clients;   /* that look at once */
  char *records;       /* a file, "-" is standard output, "none" */
  guint retry_min;     /* seconds until a lost camera is tried again */
  guint retry_max;     /* after many failures */
  GPtrArray *cameras;  /* LiveCameraConfig, in the order of the file */
  gboolean has_logins; /* passwords in addresses */
} LiveConfig;

LiveConfig *live_config_load (const char *file, GError **error);
/* The same of @text; @name is that of the file in errors. */
LiveConfig *live_config_parse (const char *text, gsize len, const char *name,
    GError **error);
void live_config_free (LiveConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LiveConfig, live_config_free)

LiveCameraConfig *live_config_camera_copy (const LiveCameraConfig *camera);
void live_config_camera_free (LiveCameraConfig *camera);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LiveCameraConfig, live_config_camera_free)
gboolean live_config_camera_equal (const LiveCameraConfig *a,
    const LiveCameraConfig *b);
/* Whether what all cameras share, the model, is the same: the settings, and the
 * file. */
gboolean live_config_model_equal (const LiveConfig *a, const LiveConfig *b);
/* The same; where it is, @read goes by the model that @runs has. */
gboolean live_config_share_model (LiveConfig *read, const LiveConfig *runs);
/* (transfer full) (nullable): the keys that differ and that a running program
 * cannot change, "port, hosts"; NULL: none. */
char *live_config_fixed (const LiveConfig *runs, const LiveConfig *read);

G_END_DECLS
