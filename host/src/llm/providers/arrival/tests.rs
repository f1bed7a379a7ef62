use super::*;
use futures_util::stream;

/// Takes everything for a sign of life, but `say` for a part and `end` for the last.
#[derive(Default)]
struct Log(Vec<String>);

impl Reader for Log {
    fn event(&mut self, data: &str) -> Result<Step, CallError> {
        self.0.push(data.to_owned());
        Ok(match data {
            "say" => Step::Part,
            "end" => Step::Last,
            _ => Step::Alive,
        })
    }

    fn whole(&mut self, _: &[u8]) -> Result<(), CallError> {
        Ok(())
    }

    fn billed(&self) -> Usage {
        Usage::default()
    }

    fn bytes(&self) -> usize {
        0
    }

    fn finish(self, _: Call<'_>) -> Result<RawAnswer, CallError> {
        Err(broken_off())
    }
}

/// Each chunk after a pause of so many seconds.
async fn arrived(chunks: Vec<(u64, &'static str)>) -> (Log, Result<(), CallError>) {
    let chunks = stream::iter(chunks).then(|(pause, chunk)| async move {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(chunk.as_bytes())
    });
    let mut log = Log::default();
    let result = streamed(chunks, Duration::from_secs(30), &mut log).await;
    (log, result)
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
    let (log, result) = arrived(chunks).await;
    result.unwrap();
    assert_eq!(log.0, ["say", "end"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_stream() {
    let (log, result) = arrived(vec![(1, "data: say\n\n"), (31, "data: end\n\n")]).await;
    assert_eq!(result.unwrap_err().message, "nothing arrived for 30 s");
    assert_eq!(log.0, ["say"]);
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_alone_do_not_last_for_ever() {
    let pings = vec![(20, "data: ping\n\n"); 100];
    let (log, result) = arrived(pings).await;
    assert_eq!(
        result.unwrap_err().message,
        "signs of life and no answer for 630 s"
    );
    assert_eq!(log.0.len(), 31);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_is_not_waited_for() {
    let start = Instant::now();
    let (_, result) = arrived(vec![(1, "data: end\n\n"), (25, ": more\n\n")]).await;
    result.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_may_be_kept_waiting_but_not_for_ever() {
    let read = |lines: usize, limit| {
        let chunks = stream::iter(0..lines).then(|_| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok("\n")
        });
        read(chunks, limit, Duration::from_secs(30))
    };
    assert_eq!(read(20, 20).await.unwrap().len(), 20);
    let error = read(20, 19).await.unwrap_err();
    assert_eq!(error.class, FailureClass::BadRequest);
    let error = read(100, 100).await.unwrap_err();
    assert_eq!(error.message, "signs of life and no answer for 630 s");
}

async fn at_once(chunks: Vec<&[u8]>) -> (Log, Result<(), CallError>) {
    let mut log = Log::default();
    let chunks = stream::iter(chunks.into_iter().map(Ok));
    let result = streamed(chunks, Duration::from_secs(30), &mut log).await;
    (log, result)
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
