use super::*;

fn class(status: u16, body: &str) -> FailureClass {
    classify(status, &Said::read(body))
}

#[test]
fn statuses() {
    for (status, expected) in [
        (400, BadRequest),
        (401, Auth),
        (402, Quota),
        (403, Auth),
        (404, NotFound),
        (405, BadRequest),
        (408, Transient),
        (409, Transient),
        (413, Context),
        (422, BadRequest),
        (425, Transient),
        (429, RateLimit),
        (498, NoCapacity),
        (500, Transient),
        (502, Transient),
        (503, Overloaded),
        (504, Transient),
        (520, Transient),
        (529, Overloaded),
    ] {
        assert_eq!(class(status, ""), expected, "{status}");
        assert_eq!(class(status, "<html>no</html>"), expected, "{status}");
    }
}

#[test]
fn codes_and_types() {
    for (status, code, expected) in [
        (429, "rate_limit_exceeded", RateLimit),
        (429, "insufficient_quota", Quota),
        (429, "credit_balance_exhausted", Quota),
        (429, "exceeded_current_quota_error", Quota),
        (429, "InsufficientBalance", Quota),
        (429, "insufficient-balance", Quota),
        (403, "AccountOverdueError", Quota),
        (400, "Arrearage", Quota),
        (429, "1113", Quota),
        (403, "enforced_spend_limit_reached", Quota),
        (402, "billing_error", Quota),
        (400, "budget_exceeded", Quota),
        (401, "invalid_api_key", Auth),
        (400, "context_length_exceeded", Context),
        (400, "exceed_context_size_error", Context),
        (413, "request_too_large", Context),
        (400, "content_filter", ContentFilter),
        (400, "content_policy_violation", ContentFilter),
        (404, "model_not_found", NotFound),
        (400, "model_decommissioned", NotFound),
        (404, "DeploymentNotFound", NotFound),
        (400, "invalid_type", BadRequest),
        (422, "invalid_request_error", BadRequest),
        (498, "capacity_exceeded", NoCapacity),
        (429, "resource_unavailable", NoCapacity),
        (500, "resource_unavailable", NoCapacity),
        // As Anthropic names them in a stream, where there is no status.
        (500, "overloaded_error", Overloaded),
        (500, "rate_limit_error", RateLimit),
        (500, "api_error", Transient),
        (500, "timeout_error", Transient),
        (500, "authentication_error", Auth),
        (500, "permission_error", Auth),
        (500, "not_found_error", NotFound),
        (500, "invalid_request_error", BadRequest),
    ] {
        let as_code = format!(r#"{{"error": {{"message": "m", "code": "{code}"}}}}"#);
        let as_type =
            format!(r#"{{"type": "error", "error": {{"type": "{code}", "message": "m"}}}}"#);
        assert_eq!(class(status, &as_code), expected, "{status} {code}");
        assert_eq!(class(status, &as_type), expected, "{status} {code}");
    }
}

#[test]
fn texts() {
    for (status, text, expected) in [
        (
            400,
            "Your credit balance is too low to access the Anthropic API.",
            Quota,
        ),
        (402, "Insufficient Balance", Quota),
        (
            429,
            "litellm.RateLimitError: MoonshotException - {\"type\": \"exceeded_current_quota_error\"}",
            Quota,
        ),
        (
            429,
            "litellm.RateLimitError: ZhipuException - Error code: 1113, no resource package",
            Quota,
        ),
        (
            429,
            "Your account is suspended due to insufficient balance, please recharge your account",
            Quota,
        ),
        (
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            Quota,
        ),
        (
            429,
            "You exceeded your current quota, please check your plan and billing details. Please retry in 52s.",
            RateLimit,
        ),
        (
            429,
            "\u{4f59}\u{989d}\u{4e0d}\u{8db3}\u{6216}\u{65e0}",
            Quota,
        ),
        (
            429,
            "Insufficient credits. Add more using https://example.org",
            Quota,
        ),
        (
            403,
            "\u{7528}\u{6237}\u{989d}\u{5ea6}\u{4e0d}\u{8db3}",
            Quota,
        ),
        (
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month.",
            Quota,
        ),
        (
            429,
            "you have used up your daily free allocation of 10,000 neurons",
            Quota,
        ),
        (500, "Rate limit exceeded, slow down", RateLimit),
        (500, "The model is overloaded", Overloaded),
        (
            400,
            "The input (9000 tokens) is longer than the model's context length (4096 tokens).",
            Context,
        ),
        (
            400,
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            Context,
        ),
        (
            400,
            "Invalid request: Your request exceeded model token limit: 8192",
            Context,
        ),
        (
            400,
            "The number of tokens to keep from the initial prompt is greater than the context length",
            Context,
        ),
        (
            422,
            "Input validation error: `inputs` must have less than 4096 tokens. Given: 9000",
            Context,
        ),
        (
            429,
            "This request requires more credits, or fewer max_tokens.",
            Quota,
        ),
        (400, "Range of input length should be [1, 6000]", Context),
        (400, "invalid model ID", NotFound),
        (400, "Model Not Exist", NotFound),
        (
            400,
            "invalid value for temperature of the model",
            BadRequest,
        ),
        (
            400,
            "You have reached your specified API usage limits.",
            Quota,
        ),
        (
            429,
            "Rate limit exceeded: free-models-per-day. Add 10 credits",
            Quota,
        ),
        (
            400,
            "This model's maximum context length is 4096 tokens.",
            Context,
        ),
        (
            400,
            "The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
            Context,
        ),
        (
            400,
            "the request exceeds the available context size (4096 tokens), try increasing it",
            Context,
        ),
        (
            500,
            "the request exceeds the available context size",
            Context,
        ),
        (
            400,
            "prompt too long; exceeded max context length by 4 tokens",
            Context,
        ),
        (
            400,
            "prompt is too long: 210000 tokens > 200000 maximum",
            Context,
        ),
        (
            400,
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            Context,
        ),
        (
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            Context,
        ),
        (
            429,
            "Request too large for gpt-4o on tokens per min (TPM): Limit 3, Requested 4",
            Context,
        ),
        (
            400,
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            ContentFilter,
        ),
        (
            400,
            "Output blocked by content filtering policy",
            ContentFilter,
        ),
        (400, "Content Exists Risk", ContentFilter),
        (403, "Content violates usage guidelines.", ContentFilter),
        (
            403,
            "The model requires moderation on Azure. Your input was flagged",
            ContentFilter,
        ),
        (400, "API key not valid. Please pass a valid API key.", Auth),
        (
            400,
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
            BadRequest,
        ),
        (
            429,
            "You exceeded your current quota. Please retry in 52s.",
            RateLimit,
        ),
    ] {
        let body = serde_json::json!({"error": {"message": text}}).to_string();
        assert_eq!(class(status, &body), expected, "{text}");
    }
}

#[test]
fn shapes_of_single_providers() {
    let gemini = |quota: &str| {
        serde_json::json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
            "message": "You exceeded your current quota", "details": [
                {"@type": "QuotaFailure", "violations": [{"quotaId": quota}]},
                {"retryDelay": "52s"}]}}])
        .to_string()
    };
    let minute = gemini("GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
    assert_eq!(class(429, &minute), RateLimit);
    let day = gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert_eq!(class(429, &day), Quota);
    let azure =
        r#"{"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}"#;
    assert_eq!(class(400, azure), ContentFilter);
    let xai = r#"{"code": "Client specified an invalid argument", "error": "Incorrect API key provided"}"#;
    assert_eq!(class(400, xai), Auth);
    let vllm = r#"{"object": "error", "type": "NotFoundError", "message": "no", "code": 404}"#;
    assert_eq!(class(404, vllm), NotFound);
}
