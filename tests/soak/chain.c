/* The elements of a stream. */
#include "chain.h"

static const struct
{
  const char *before; /* the detector */
  const char *after;
  gboolean coded;
} chains[] = {
  { "", "", FALSE },
  { "queue max-size-buffers=3 !", "queue max-size-buffers=2 !", FALSE },
  { "", "videoconvert !", FALSE },
  { "tee name=t allow-not-linked=true t. ! queue leaky=downstream ! fakesink "
    "async=false t. ! queue !",
      "", FALSE },
  { "videoconvert ! jpegenc ! identity name=loss ! jpegdec !", "", TRUE },
  /* RTP has no JPEG of gray or RGB: its frames would not get to us. */
  { "videoconvert ! video/x-raw,format=I420 ! jpegenc ! rtpjpegpay ! identity "
    "name=loss drop-probability=0.02 ! rtpjpegdepay ! jpegdec !",
      "queue !", TRUE },
  { "videoconvert ! video/x-raw,format=I420 ! openh264enc complexity=low ! "
    "h264parse ! identity name=loss drop-probability=0.02 ! avdec_h264 !",
      "", TRUE },
  { "videoconvert ! vp8enc deadline=1 ! identity name=loss "
    "drop-probability=0.02 ! vp8dec !",
      "", TRUE },
};

static gboolean
exists (const char *launch)
{
  g_auto (GStrv) words = g_strsplit_set (launch, " !", -1);

  for (guint i = 0; words[i]; i++) {
    g_autoptr (GstElementFactory) factory = NULL;

    if (!g_str_has_suffix (words[i], "enc")
        && !g_str_has_suffix (words[i], "dec")
        && !g_str_has_prefix (words[i], "avdec")
        && !g_str_has_prefix (words[i], "rtp")
        && !g_str_has_suffix (words[i], "parse"))
      continue;
    factory = gst_element_factory_find (words[i]);
    if (!factory)
      return FALSE;
  }
  return TRUE;
}

/* Bytes of coded frames that arrive otherwise. */
static GstPadProbeReturn
corrupt (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer =
      gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  static gint turn = 0; /* atomic */
  const guint n = (guint) g_atomic_int_add (&turn, 1);
  GstMapInfo map;

  info->data = buffer;
  if (n % 50 == 0 && gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
    for (gsize i = 200; i < map.size; i += 97)
      map.data[i] ^= (guint8) (n + i);
    gst_buffer_unmap (buffer, &map);
  }
  return GST_PAD_PROBE_OK;
}

guint
chain_kinds (void)
{
  return G_N_ELEMENTS (chains);
}

guint
chain_kind (guint wanted)
{
  guint kind = wanted % G_N_ELEMENTS (chains);

  while (!exists (chains[kind].before))
    kind = (kind + 1) % G_N_ELEMENTS (chains);
  return kind;
}

gboolean
chain_is_raw (guint kind)
{
  return !chains[kind].coded;
}

GstElement *
chain_new (guint kind, const char *device, const char *log)
{
  g_autofree char *launch = g_strdup_printf (
      "identity name=first silent=true ! %s "
      "defcndetect name=detect threads=1 device=%s ! defcntrack name=track ! "
      "%s defcnpublish name=publish add-empty-results=true location=%s ! "
      "defcnoverlay name=overlay ! fakesink name=sink sync=false async=false",
      chains[kind].before, device, chains[kind].after, log);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstElement) loss = NULL;

  if (!pipeline || error)
    g_error ("%s: %s", launch, error->message);
  loss = gst_bin_get_by_name (GST_BIN (pipeline), "loss");
  if (loss) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (loss, "src");

    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, corrupt, NULL, NULL);
  }
  return pipeline;
}
