use super::*;
use futures_util::stream;

/// Takes everything for a sign of life, but `say` for a part and `end` for the last.
#[derive(Default)]
struct Log(Vec<String>);

impl Reader for Log {
    fn event(&mut self, _: Option<&str>, data: &str) -> Result<Step, CallError> {
        self.0.push(data.to_owned());
        Ok(match data {
            "say" => Step::Part,
            "end" => Step::Last,
            _ => Step::Alive,
        })
    }

    fn whole(&mut self, _: &str) -> Result<(), CallError> {
        Ok(())
    }

    fn billed(&self, _: Call<'_>) -> Usage {
        Usage::default()
    }

    fn is_sure(&self) -> bool {
        false
    }

    fn bytes(&self) -> usize {
        0
    }

    fn finish(self, _: Call<'_>) -> Result<RawAnswer, CallError> {
        Err(broken_off())
    }
}

/// Each chunk after a pause of so many seconds.
async fn slowly(chunks: Vec<(u64, &'static str)>) -> (Log, Result<(), CallError>) {
    let chunks = stream::iter(chunks).then(|(pause, chunk)| async move {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(Bytes::from(chunk))
    });
    let mut log = Log::default();
    let result = take(chunks, &mut log).await;
    (log, result)
}

async fn take(
    chunks: impl Stream<Item = Result<Bytes, reqwest::Error>>,
    log: &mut Log,
) -> Result<(), CallError> {
    let idle = Duration::from_secs(30);
    match arrived(chunks, idle, true).await? {
        Arrived::Events(chunks) => streamed(chunks, idle, 10 * idle, log).await,
        Arrived::Whole(chunks) => read(chunks, 1000, (idle, 10 * idle))
            .await
            .map(|body| log.0.push(body)),
    }
}

// Time is paused in these: they sleep on a clock that jumps.

#[tokio::test(start_paused = true)]
async fn comments_and_blank_lines_keep_a_stream_alive() {
    let mut chunks = vec![
        (29, ": keep-alive\n\n"),
        (29, "\n"),
        (29, "\n\n"),
        (29, ": OPENROUTER\n\n"),
    ];
    chunks.push((29, "data: say\n\n: x\n\ndata: end\n\n"));
    let (log, result) = slowly(chunks).await;
    result.unwrap();
    assert_eq!(log.0, ["say", "end"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_ended() {
    let (log, result) = slowly(vec![(29, "data: say\n\n"); 100]).await;
    assert_eq!(
        result.unwrap_err().message,
        "the answer had not ended 300 s after its first word"
    );
    assert_eq!(log.0.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_stream() {
    let (log, result) = slowly(vec![(1, "data: say\n\n"), (31, "data: end\n\n")]).await;
    assert_eq!(result.unwrap_err().message, "nothing arrived for 30 s");
    assert_eq!(log.0, ["say"]);
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_alone_do_not_last_for_ever() {
    let pings = vec![(20, "data: ping\n\n"); 100];
    let (log, result) = slowly(pings).await;
    assert_eq!(
        result.unwrap_err().message,
        "signs of life and no answer for 630 s"
    );
    assert_eq!(log.0.len(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_is_not_waited_for() {
    let start = Instant::now();
    let (_, result) = slowly(vec![(1, "data: end\n\n"), (25, ": more\n\n")]).await;
    result.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_may_be_kept_waiting_but_not_for_ever() {
    let read = |lines: usize, limit| {
        let chunks = stream::iter(0..lines).then(|_| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok::<_, reqwest::Error>("\n")
        });
        read_error(chunks, limit, Duration::from_secs(30))
    };
    assert_eq!(read(20, 20).await.unwrap().len(), 20);
    let error = read(20, 19).await.unwrap_err();
    assert_eq!(error.class, FailureClass::BadRequest);
    let error = read(100, 100).await.unwrap_err();
    assert_eq!(error.message, "signs of life and no answer for 630 s");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_has_begun_must_end() {
    let pieces = std::iter::repeat_n((20, " 1"), 1000);
    let (_, result) = slowly([(20, "\n"), (20, "{")].into_iter().chain(pieces).collect()).await;
    assert_eq!(
        result.unwrap_err().message,
        "the answer had not ended 300 s after its first word"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_trickles_is_given_up() {
    let sent = |every: u64, bytes: usize| {
        let chunks = stream::iter(0..1000).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(every)).await;
            Ok(Bytes::from(vec![b'x'; bytes]))
        });
        let took = flowing(chunks).take_while(|chunk| std::future::ready(chunk.is_ok()));
        took.count()
    };
    assert_eq!(sent(20, 100).await, 2);
    assert_eq!(sent(1, 1500).await, 1000);
}

async fn at_once(chunks: Vec<&[u8]>) -> (Log, Result<(), CallError>) {
    let mut log = Log::default();
    let chunks = chunks.into_iter().map(Bytes::copy_from_slice).map(Ok);
    let result = take(stream::iter(chunks), &mut log).await;
    (log, result)
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replaced_wherever_they_are_cut() {
    let body = b"data: a\xc3\xa4 \xff \xe2\x82 b\xf0\x9f\x8c\xb3\n\ndata: end\n\n";
    for cut in 0..body.len() {
        let (start, rest) = body.split_at(cut);
        let (log, result) = at_once(vec![start, rest]).await;
        result.unwrap();
        assert_eq!(log.0, ["aä \u{fffd} \u{fffd} b🌳", "end"], "cut at {cut}");
    }
}

#[tokio::test]
async fn a_body_is_told_by_how_it_begins() {
    for (body, is_whole) in [
        ("{\"a\": 1}", true),
        ("\n\n {\"a\": 1}", true),
        ("[1]", true),
        ("<html>", true),
        ("data: end\n\n", false),
        ("\n: comment\n\ndata: end\n\n", false),
        ("event: x\ndata: end\n\n", false),
        ("something: else\n\ndata: end\n\n", false),
    ] {
        for cut in 0..body.len() {
            let (start, rest) = body.as_bytes().split_at(cut);
            let (log, result) = at_once(vec![start, rest]).await;
            result.unwrap();
            let expected = if is_whole { body } else { "end" };
            assert_eq!(log.0, [expected], "{body} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_not_part_of_the_stream() {
    let marked = b"\xef\xbb\xbfdata: say\n\ndata: end\n\n";
    for cut in 0..5 {
        let (start, rest) = marked.split_at(cut);
        let (log, result) = at_once(vec![start, rest]).await;
        result.unwrap();
        assert_eq!(log.0, ["say", "end"], "cut at {cut}");
    }
    let twice = b"\xef\xbb\xbf\xef\xbb\xbfdata: no field\n\ndata: end\n\n";
    let (log, result) = at_once(vec![twice]).await;
    result.unwrap();
    assert_eq!(log.0, ["end"]);
}

#[tokio::test]
async fn an_event_without_end_is_not_kept() {
    let (_, result) = at_once(vec![&[b'a'; ANSWER / 2]; 3]).await;
    assert!(result.unwrap_err().message.contains("bytes"));
}
