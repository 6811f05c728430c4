/* sim/timeline.c - a run as a picture. */
#include "sim/timeline.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/mem.h"

struct mark {
    weft_time at;
    int64_t number;
    uint32_t text, text_size;
    uint8_t kind, lane, other;
};

struct weft_timeline {
    const char *lanes[WEFT_TIMELINE_LANES_MAX];
    size_t count, left_out, text_used;
    struct mark marks[WEFT_TIMELINE_MARKS_MAX];
    char text[WEFT_TIMELINE_TEXT_MAX];
};

int weft_timeline_new(struct weft_timeline **out)
{
    *out = weft_zalloc(sizeof(**out));
    return *out ? 0 : WEFT_ERR_MEMORY;
}

void weft_timeline_free(struct weft_timeline *timeline)
{
    weft_free(timeline);
}

void weft_timeline_lane(struct weft_timeline *timeline, size_t lane, const char *name)
{
    if (timeline && lane < WEFT_TIMELINE_LANES_MAX) {
        timeline->lanes[lane] = name;
    }
}

void weft_timeline_add(struct weft_timeline *timeline, weft_time at, enum weft_mark_kind kind, size_t lane,
                       size_t other, int64_t number, struct weft_slice text)
{
    if (!timeline) {
        return;
    }
    if (timeline->count == WEFT_TIMELINE_MARKS_MAX || text.size > WEFT_TIMELINE_TEXT_MAX - timeline->text_used) {
        timeline->left_out++;
        return;
    }
    timeline->marks[timeline->count++] = (struct mark){.at = at,
                                                       .number = number,
                                                       .text = (uint32_t)timeline->text_used,
                                                       .text_size = (uint32_t)text.size,
                                                       .kind = (uint8_t)kind,
                                                       .lane = (uint8_t)lane,
                                                       .other = (uint8_t)other};
    if (text.size > 0) {
        memcpy(timeline->text + timeline->text_used, text.data, text.size);
    }
    timeline->text_used += text.size;
}

/* -- the file -- */

static const char page_head[] =
    "<style>\n"
    "body{font:13px sans-serif;margin:12px;color:#222;background:#fff}canvas{width:100%;border:1px solid #bbb}\n"
    "label{margin-right:1em}#tip{white-space:pre-wrap;min-height:5em;font-family:monospace}\n"
    "</style>\n"
    "<p>Wheel: zoom. Drag: move. What lies under the pointer is said below.</p><p id=show></p>\n"
    "<canvas id=view></canvas><div id=tip></div>\n<script>\n";

/* Rows of `marks` are [at, kind, lane, other, number, text]. */
static const char page_script[] =
    "const kinds=['message','open','close','fault','log','note'],colours=['#9bd','#3a3','#a63','#d22','#777','#72c'];\n"
    "const view=document.getElementById('view'),tip=document.getElementById('tip'),on=[1,1,1,1,1,1],left=90,row=34;\n"
    "const end=Math.max(1,...marks.map(m=>m[0]+(m[1]==3?m[4]:0)));let from=0,to=end,drag=null;\n"
    "const y=lane=>lane==255?row/2:(lane+1.5)*row,x=at=>left+(at-from)/(to-from)*(view.width-left-8);\n"
    "kinds.forEach((kind,i)=>{const label=document.createElement('label'),box=document.createElement('input');\n"
    " box.type='checkbox';box.checked=true;box.onchange=()=>{on[i]=box.checked;draw()};label.append(box,kind);\n"
    " label.style.color=colours[i];document.getElementById('show').append(label)});\n"
    "function draw(){view.width=view.clientWidth;view.height=(lanes.length+1)*row+20;const c=view.getContext('2d');\n"
    " c.font='12px "
    "sans-serif';['story',...lanes].forEach((name,i)=>{c.fillStyle='#222';c.fillText(name,6,i*row+row/2+4);\n"
    "  c.fillStyle='#ddd';c.fillRect(left,i*row+row/2,view.width-left,1)});\n"
    " for(const m of marks){if(!on[m[1]]||m[0]>to||m[0]+(m[1]==3?m[4]:0)<from)continue;const a=x(m[0]),b=y(m[2]);\n"
    "  c.fillStyle=c.strokeStyle=colours[m[1]];\n"
    "  if(m[3]!=255&&m[3]!=m[2]){c.beginPath();c.moveTo(a,b);c.lineTo(a,y(m[3]));c.stroke();\n"
    "   c.beginPath();c.arc(a,y(m[3]),2,0,7);c.fill()}\n"
    "  if(m[1]==3)c.fillRect(a-2,b-6,Math.max(4,m[4]?x(m[0]+m[4])-a:4),12);\n"
    "  else{c.beginPath();c.arc(a,b+(m[1]==4?8:0),m[1]==5?4:2,0,7);c.fill()}}\n"
    " c.fillStyle='#222';for(let i=0;i<=8;i++){const at=from+(to-from)*i/8;\n"
    "  c.fillText((at/1e6).toFixed(3)+' s',Math.min(x(at),view.width-70),view.height-5)}}\n"
    "const say=m=>(m[0]/1e6).toFixed(6)+' s  '+kinds[m[1]]+'  '+(lanes[m[2]]||'')+(m[3]!=255?' > '+lanes[m[3]]:'')+\n"
    " (m[1]==0?'  '+m[4]+' bytes':m[1]<3?'  connection '+m[4]:m[1]==3&&m[4]?'  for '+m[4]/1e3+' ms':'')+'  '+m[5];\n"
    "view.onmousemove=e=>{if(drag!==null){const by=(drag-e.offsetX)/(view.width-left)*(to-from);drag=e.offsetX;\n"
    "  from+=by;to+=by;draw();return}\n"
    " const near=marks.filter(m=>on[m[1]]&&Math.abs(x(m[0])-e.offsetX)<5&&(Math.abs(y(m[2])-e.offsetY)<row/2||\n"
    "  m[3]!=255&&(y(m[2])-e.offsetY)*(y(m[3])-e.offsetY)<0));tip.textContent=near.slice(0,12).map(say).join('\\n')};\n"
    "view.onmousedown=e=>drag=e.offsetX;onmouseup=()=>drag=null;onresize=draw;\n"
    "view.onwheel=e=>{e.preventDefault();const at=from+(e.offsetX-left)/(view.width-left-8)*(to-from);\n"
    " const by=e.deltaY>0?1.25:0.8;from=at-(at-from)*by;to=at+(to-at)*by;draw()};draw();\n";

/* As a string of JavaScript's that ends no script. */
static void write_text(FILE *file, const char *text, size_t size)
{
    (void)fputc('"', file); /* a file that is cut shows nothing, and whoever looks at it sees that; so below */
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '&') {
            (void)fprintf(file, "\\u%04x", c);
        } else {
            (void)fputc(c, file);
        }
    }
    (void)fputc('"', file);
}

void weft_timeline_write(const struct weft_timeline *timeline, FILE *file, const char *title)
{
    (void)fprintf(file, "<!doctype html>\n<meta charset=utf-8>\n<title>%s</title>\n<h3>%s</h3>\n", title, title);
    if (timeline->left_out > 0) {
        (void)fprintf(file, "<p>%zu marks at the end are left out.</p>\n", timeline->left_out);
    }
    (void)fputs(page_head, file);
    (void)fputs("const lanes=[", file);
    for (size_t i = 0; i < WEFT_TIMELINE_LANES_MAX && timeline->lanes[i]; i++) {
        write_text(file, timeline->lanes[i], strlen(timeline->lanes[i]));
        (void)fputc(',', file);
    }
    (void)fputs("];\nconst marks=[\n", file);
    for (size_t i = 0; i < timeline->count; i++) {
        const struct mark *mark = &timeline->marks[i];
        (void)fprintf(file, "[%" PRId64 ",%d,%d,%d,%" PRId64 ",", mark->at, mark->kind, mark->lane, mark->other,
                      mark->number);
        write_text(file, timeline->text + mark->text, mark->text_size);
        (void)fputs("],\n", file);
    }
    (void)fputs("];\n", file);
    (void)fputs(page_script, file);
    (void)fputs("</script>\n", file);
}
