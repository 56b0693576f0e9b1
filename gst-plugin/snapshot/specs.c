/* The properties of defcnsnapshot. */
#include "specs.h"

#include "due.h"
#include "redact.h"

#define DEFAULT_ON GST_DEFCN_SNAPSHOT_ON_TRACK
#define DEFAULT_MARGIN 0.1
#define DEFAULT_INTERVAL (10 * GST_SECOND)
#define DEFAULT_QUALITY 85
#define DEFAULT_QUEUE_SIZE 16

static GType
on_get_type (void)
{
  static const GFlagsValue values[] = { { GST_DEFCN_SNAPSHOT_ON_TRACK,
                                            "A track that is new", "track" },
    { GST_DEFCN_SNAPSHOT_ON_ZONE, "A track enters a zone, or stays in it",
        "zone" },
    { GST_DEFCN_SNAPSHOT_ON_LINE, "A track crosses a line", "line" },
    { GST_DEFCN_SNAPSHOT_ON_OBJECT, "An object is there", "object" },
    { 0, NULL, NULL } };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_flags_register_static ("GstDefcnSnapshotOn", values));
  return type;
}

static GType
what_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_DEFCN_SNAPSHOT_OBJECT, "The object, with a margin", "object" },
    { GST_DEFCN_SNAPSHOT_FRAME, "The whole frame", "frame" }, { 0, NULL, NULL }
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnSnapshotWhat", values));
  return type;
}

#define PLAYING                                                                \
  (G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS)
#define READY                                                                  \
  (G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS)

static void
install_when (GObjectClass *klass)
{
  /**
   * GstDefcnSnapshot:on:
   *
   * What makes a picture.  `track`: a track that is seen for the first time,
   * with an id (defcntrack).  `zone`: one that enters a zone of defcnzones or
   * stays in it for longer than its loitering time; `line`: one that crosses a
   * line.  `object`: an object that is there, in a frame that was looked at: of
   * a track a picture every #GstDefcnSnapshot:interval; where nobody tracks, of
   * all objects in a frame (or of the frame, once), and then none until the
   * interval is over.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_ON,
      g_param_spec_flags ("on", "On", "What makes a picture", on_get_type (),
          DEFAULT_ON, PLAYING));
  g_object_class_install_property (klass, PROP_CLASSES,
      g_param_spec_string ("classes", "Classes",
          "Pictures of these classes alone: person,car (\\, for a comma "
          "within a name); unset: of all",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_float ("threshold", "Threshold",
          "Score that an object has to have", 0, 1, 0, PLAYING));

  /**
   * GstDefcnSnapshot:interval:
   *
   * For how long, from the event that made a picture on, a better moment of the
   * same track replaces it: one whose score is higher by 0.05 at least, so that
   * a track makes at most twenty.  An event of that track within the interval
   * makes no picture of its own.  0: every event makes one, and it stays as it
   * is.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint64 ("interval", "Interval",
          "A track has one picture within so many ns, the best", 0, G_MAXUINT64,
          DEFAULT_INTERVAL, PLAYING));
}

static void
install_what (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_WHAT,
      g_param_spec_enum ("what", "What", "What is in the picture",
          what_get_type (), GST_DEFCN_SNAPSHOT_OBJECT, PLAYING));
  g_object_class_install_property (klass, PROP_MARGIN,
      g_param_spec_float ("margin", "Margin",
          "Around an object, as a share of its width and height on each side",
          0, 10, DEFAULT_MARGIN, PLAYING));
  g_object_class_install_property (klass, PROP_QUALITY,
      g_param_spec_uint ("quality", "Quality", "Of the JPEG", 1, 100,
          DEFAULT_QUALITY, PLAYING));

  /**
   * GstDefcnSnapshot:redact:
   *
   * Makes blocks of the objects of these classes in every picture, too coarse
   * to tell a face.  Of the whole picture where a box may be missing: nobody
   * looked at the frame, boxes are lost, an object has no class, or the
   * detector does not tell of a class that is named here.  The message says
   * which (`redacted`).
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_REDACT,
      g_param_spec_string ("redact", "Redact",
          "Classes that are made unrecognisable: person,face (\\, for a "
          "comma "
          "within a name); the whole picture if it is not sure where they are",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_REDACT_MARGIN,
      g_param_spec_float ("redact-margin", "Redact margin",
          "By what share of its longer side a box is widened for that", 0, 10,
          GST_DEFCN_REDACT_MARGIN, PLAYING));
}

static void
install_where (GObjectClass *klass)
{
  /**
   * GstDefcnSnapshot:location:
   *
   * Path of the pictures, with fields: {source}, {label}, {id} (of the track,
   * 0: none), {time} (UTC, 20261130T125801.123Z), {pts} (ms of the stream),
   * {event} (as in the message), {place} (zone or line), {n} (0, 1, ..); `{{`
   * is a brace.  What stands before the first part with a field is the folder,
   * which is made when the element starts; folders below are made as they come.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Path of the pictures, with {source}, {label}, {id}, {time}, {pts}, "
          "{event}, {place}, {n}",
          GST_DEFCN_SNAPSHOT_LOCATION, READY));
  g_object_class_install_property (klass, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
          "What {source} stands for, an address without user and password; "
          "unset: the element's name",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_SIDECAR,
      g_param_spec_boolean ("sidecar", "Sidecar",
          "Write what the message says beside the picture too, as .json", FALSE,
          PLAYING));

  /**
   * GstDefcnSnapshot:max-files:
   *
   * How many pictures the folder may have, of this element and others: the
   * oldest go, with their JSON, whatever run they are of.  Files that no
   * defcnsnapshot has written are not counted and not touched; a copy of a
   * picture is one.  Elements of one
   * process keep to it together; those of several may each have a sixteenth
   * more.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_MAX_FILES,
      g_param_spec_uint ("max-files", "Max. files",
          "Pictures in the folder, the oldest are deleted (0 = any number)", 0,
          G_MAXUINT, 0, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_BYTES,
      g_param_spec_uint64 ("max-bytes", "Max. bytes",
          "Bytes of them and their JSON, likewise (0 = any number)", 0,
          G_MAXUINT64, 0, PLAYING));
  g_object_class_install_property (klass, PROP_QUEUE_SIZE,
      g_param_spec_uint ("queue-size", "Queue size",
          "Pictures that may wait for the disk, of 128 MiB together", 1, 1000,
          DEFAULT_QUEUE_SIZE, PLAYING));

  /**
   * GstDefcnSnapshot:stats:
   *
   * Since the last start, all uint64: `written` files, `replaced` by a better
   * picture, `dropped` because too many waited, `failed` to be written, `bytes`
   * written, `deleted` to keep to max-files and max-bytes.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "written, replaced, dropped, failed, bytes, deleted",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void
gst_defcn_snapshot_specs_install (GObjectClass *klass)
{
  install_where (klass);
  install_when (klass);
  install_what (klass);
  gst_type_mark_as_plugin_api (on_get_type (), 0);
  gst_type_mark_as_plugin_api (what_get_type (), 0);
}

void
gst_defcn_snapshot_specs_defaults (GstDefcnSnapshotLive *live)
{
  *live = (GstDefcnSnapshotLive){ .on = DEFAULT_ON,
    .what = GST_DEFCN_SNAPSHOT_OBJECT,
    .margin = DEFAULT_MARGIN,
    .redact_margin = GST_DEFCN_REDACT_MARGIN,
    .interval = DEFAULT_INTERVAL,
    .quality = DEFAULT_QUALITY,
    .queue_size = DEFAULT_QUEUE_SIZE };
}
