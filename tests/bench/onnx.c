/* What follows GStreamer's own onnxinference where none of its tensor decoders
 * knows the network: runs a pipeline and prints, for every buffer that leaves
 * the element "tensors", a record as defcnpublish writes it.
 *
 *   onnx-bench THRESHOLD LABEL[,LABEL..] PIPELINE
 *
 * PIPELINE is in the words of gst-launch-1.0.  The model is one of `defcn
 * export --decode --preprocess`, whose input a picture fills.  Ends with 1
 * where the pipeline fails, with 2 for wrong arguments. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <gst/analytics/analytics.h>
#include <gst/video/video.h>

typedef struct
{
  double threshold;
  char **labels;
} Decoder;

typedef struct
{
  const GstTensor *tensor;
  GstMapInfo map;
} Output;

/* Fails where the output is not there or not of this type. */
static gboolean
output_map (Output *output, GstBuffer *buffer, const char *id,
    GstTensorDataType type)
{
  GstTensorMeta *meta = gst_buffer_get_tensor_meta (buffer);
  const gint i = meta
      ? gst_tensor_meta_get_index_from_id (meta, g_quark_from_string (id))
      : -1;

  *output = (Output){ .tensor = i < 0 ? NULL
                                      : gst_tensor_meta_get (meta, (gsize) i) };
  if (output->tensor && output->tensor->data_type == type
      && gst_buffer_map (output->tensor->data, &output->map, GST_MAP_READ))
    return TRUE;
  output->tensor = NULL;
  return FALSE;
}

static void
output_unmap (Output *output)
{
  if (output->tensor)
    gst_buffer_unmap (output->tensor->data, &output->map);
}

/* @box: x1, y1, x2, y2 in pixels of the input. */
static cJSON *
object_of (const Decoder *decoder, const float *box, float score, gint32 label,
    const GstVideoInfo *video)
{
  cJSON *object = cJSON_CreateObject ();
  cJSON *detection = cJSON_AddObjectToObject (object, "detection");
  cJSON *corners = cJSON_AddObjectToObject (detection, "bounding_box");
  const double w = GST_VIDEO_INFO_WIDTH (video);
  const double h = GST_VIDEO_INFO_HEIGHT (video);

  cJSON_AddNumberToObject (corners, "x_min", CLAMP (box[0] / w, 0, 1));
  cJSON_AddNumberToObject (corners, "x_max", CLAMP (box[2] / w, 0, 1));
  cJSON_AddNumberToObject (corners, "y_min", CLAMP (box[1] / h, 0, 1));
  cJSON_AddNumberToObject (corners, "y_max", CLAMP (box[3] / h, 0, 1));
  cJSON_AddNumberToObject (detection, "confidence", score);
  if (label >= 0 && label < (gint32) g_strv_length (decoder->labels))
    cJSON_AddStringToObject (detection, "label", decoder->labels[label]);
  cJSON_AddNumberToObject (detection, "label_id", label);
  return object;
}

static void
print_record (const Decoder *decoder, const Output *outputs, guint64 time,
    const GstVideoInfo *video)
{
  const float *boxes = (const float *) outputs[0].map.data;
  const float *scores = (const float *) outputs[1].map.data;
  const gint32 *labels = (const gint32 *) outputs[2].map.data;
  const gsize n = MIN (outputs[0].map.size / (4 * sizeof *boxes),
      MIN (outputs[1].map.size, outputs[2].map.size) / sizeof *scores);
  cJSON *record = cJSON_CreateObject ();
  cJSON *objects = cJSON_AddArrayToObject (record, "objects");

  for (gsize i = 0; i < n && scores[i] > decoder->threshold; i++)
    cJSON_AddItemToArray (objects,
        object_of (decoder, boxes + 4 * i, scores[i], labels[i], video));
  cJSON_AddNumberToObject (record, "timestamp", (double) time);

  char *text = cJSON_PrintUnformatted (record);

  puts (text);
  fflush (stdout);
  cJSON_free (text);
  cJSON_Delete (record);
}

static GstPadProbeReturn
decode (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoInfo video;
  Output outputs[3] = { 0 };

  if (caps && gst_video_info_from_caps (&video, caps)
      && output_map (&outputs[0], buffer, "defcn-boxes",
          GST_TENSOR_DATA_TYPE_FLOAT32)
      && output_map (&outputs[1], buffer, "defcn-scores",
          GST_TENSOR_DATA_TYPE_FLOAT32)
      && output_map (&outputs[2], buffer, "defcn-labels",
          GST_TENSOR_DATA_TYPE_INT32)) {
    print_record (data, outputs, GST_BUFFER_PTS (buffer), &video);
  } else {
    g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);

    GST_ELEMENT_ERROR (element, STREAM, FORMAT, (NULL),
        ("no boxes, scores and labels: is it a model of defcn export "
         "--decode?"));
  }
  for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++)
    output_unmap (&outputs[i]);
  return GST_PAD_PROBE_OK;
}

/* Until the end of the stream or an error, which is printed. */
static gboolean
play (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gboolean ok = FALSE;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);

  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
      GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    ok = TRUE;
  } else {
    g_autoptr (GError) error = NULL;
    g_autofree char *detail = NULL;

    gst_message_parse_error (message, &error, &detail);
    fprintf (stderr, "%s: %s\n%s\n", GST_MESSAGE_SRC_NAME (message),
        error->message, detail ? detail : "");
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return ok;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  if (argc < 4) {
    fprintf (stderr, "usage: onnx-bench THRESHOLD LABEL[,LABEL..] PIPELINE\n");
    return 2;
  }

  g_auto (GStrv) labels = g_strsplit (argv[2], ",", -1);
  Decoder decoder = { g_ascii_strtod (argv[1], NULL), labels };
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline =
      gst_parse_launchv_full ((const char **) argv + 3, NULL,
          GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_autoptr (GstElement) tensors = pipeline && GST_IS_BIN (pipeline)
      ? gst_bin_get_by_name (GST_BIN (pipeline), "tensors")
      : NULL;
  g_autoptr (GstPad) pad =
      tensors ? gst_element_get_static_pad (tensors, "src") : NULL;

  if (!pad) {
    fprintf (stderr, "onnx-bench: %s\n",
        error ? error->message : "no element \"tensors\" in the pipeline");
    return 2;
  }
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, decode, &decoder, NULL);
  return play (pipeline) ? 0 : 1;
}
