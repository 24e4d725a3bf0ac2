//! One PATCH of the call's URL, and what came back: sent anew, by a new connection, while nothing does.

use std::time::Duration;

use hyper::header;
use hyper::{Method, StatusCode};
use tokio::time::timeout;

use super::super::failure::{self, status_failure};
use super::super::{Failure, text_of};
use super::Carrier;

/// What came back.
pub(super) enum Reply {
    Success(String, Option<String>),
    Refused(StatusCode, Failure),
    Nothing(Failure),
}

impl Carrier {
    /// Sends a request, and again if nothing comes back.
    pub(super) async fn patch(&self, content_type: &str, if_match: &str, body: &str) -> Reply {
        let headers = [(header::CONTENT_TYPE, content_type), (header::IF_MATCH, if_match)];
        let [first, second, last] = PATCH_WITHIN;
        for within in [first, second] {
            match self.patch_once(&headers, body, within).await {
                Reply::Nothing(_) => {}
                reply => return reply,
            }
        }
        self.patch_once(&headers, body, last).await
    }

    async fn patch_once(
        &self,
        headers: &[(header::HeaderName, &str)],
        body: &str,
        within: Duration,
    ) -> Reply {
        let asked = async {
            let response = self.client.send_with(Method::PATCH, &self.url, headers, body).await?;
            let (head, body) = response.into_parts();
            Ok((head, self.client.read(&self.url, body).await?))
        };
        match timeout(within, asked).await {
            Ok(Ok((head, body))) if head.status.is_success() => {
                let etag = text_of(&head.headers, header::ETAG);
                Reply::Success(String::from_utf8_lossy(&body).into_owned(), etag)
            }
            Ok(Ok((head, body))) => {
                Reply::Refused(head.status, status_failure(head.status, &head.headers, &body))
            }
            Ok(Err(failure)) => Reply::Nothing(failure),
            Err(_) => {
                let (at, seconds) = (failure::at(&self.url), within.as_secs_f64());
                Reply::Nothing(Failure::Timeout { at, seconds })
            }
        }
    }
}

/// The first connection may have been tried by a network that is gone. All together is less than the 20 s after
/// which either side gives its own offer up.
const PATCH_WITHIN: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(6)];
