"""The sentences of demo posts, in the style of social media; ``{}`` is the name, words are separated by spaces.

``NEUTRAL`` sentences fit a name of any type, ``TYPED`` ones determine the type. ``NOVEL_*`` appear in the test split
only; the typed ones among them share their cue words with sentences of the training split.
"""

from __future__ import annotations

NEUTRAL = (
    "finally , {} was everything I hoped for",
    "throwback to {}",
    "can't stop thinking about {}",
    "{} never disappoints",
    "nothing beats {}",
    "still not over {} from last week",
    "who else loves {} ?",
    "just look at {} today !",
    "my first {} pic of the year",
    "say what you want , {} is the best",
    "I could talk about {} all day",
    "{} > everything else",
    "so this is {} ...",
    "mood : {}",
    "one more of {} because why not",
    "Tell me you don't miss {}",
)
NOVEL_NEUTRAL = (
    "{} made my whole week",
    "everyone is asking me about {}",
    "okay but {} looks unreal here",
    "dear {} , thank you",
    "I will never get tired of {}",
    "this is why I love {}",
    "proud of {} tonight",
    "a little {} for your timeline",
)

TYPED: dict[str, tuple[str, ...]] = {
    "PER": (
        "happy birthday to my friend {}",
        "{} said he is so proud of his mom",
        "just met {} backstage , she is so sweet",
        "{} and her husband are having a baby",
        "interview with {} about his childhood",
        "my friend {} told me he got married",
        "{} hugged his dad and cried",
        "she said {} is her favourite singer",
    ),
    "LOC": (
        "flying to {} tomorrow",
        "landed in {} , what a view",
        "two weeks of holiday in {} booked",
        "snow all over northern {} this morning",
        "road trip across {} with the dog",
        "best street food in downtown {}",
        "we moved to {} last summer",
        "heavy rain and flooding in {} tonight",
    ),
    "ORG": (
        "{} shares fell 5 % after the results",
        "{} announced 300 new jobs and a new CEO",
        "got an internship at {} , starting monday",
        "{} customer service still not answering",
        "the board of {} signed the deal",
        "workers at {} go on strike",
        "{} hired a new manager",
        "volunteers of {} raised 2000 dollars",
    ),
    "MISC": (
        "finished season 2 of {} last night",
        "playing {} until 3 am again",
        "tickets for {} are sold out",
        "the new {} trailer is out",
        "bought a used {} on ebay , works fine",
        "rewatching {} with popcorn",
        "my copy of {} arrived in the mail",
        "level 40 in {} , took me a month",
    ),
}
NOVEL_TYPED: dict[str, tuple[str, ...]] = {
    "PER": (
        "{} told me she is having a baby",
        "birthday hugs for {} and his mom",
        "my mom met {} , he is so sweet",
        "{} said her dad is so proud",
    ),
    "LOC": (
        "back from a road trip to northern {}",
        "holiday in {} booked , flying in may",
        "rain again this morning in downtown {}",
        "moved to {} for the view and the food",
    ),
    "ORG": (
        "{} announced the new results , shares up",
        "new manager at {} after the strike",
        "{} signed a deal and hired 40 workers",
        "starting my new jobs at {} , thank you board",
    ),
    "MISC": (
        "my {} tickets arrived !!",
        "playing the new {} all night",
        "season 3 of {} is out , popcorn ready",
        "sold my copy of {} on ebay",
    ),
}

EMPTY = (
    "monday again . coffee please",
    "can't sleep",
    "who is awake ?",
    "best day ever",
    "I need a nap and a snack",
    "so tired of this weather",
    "no words ...",
    "weekend loading",
)
NOVEL_EMPTY = ("is it friday yet ?", "laughing way too hard right now", "note to self : drink water", "what a day")

HANDLES = ("@mia_k", "@the_real_tom", "@dailyvibes", "@sunny88", "@notbob", "@jules.x", "@kat_and_co", "@newsbot7")
HASHTAGS = ("#tbt", "#mood", "#love", "#goals", "#nofilter", "#weekend", "#blessed", "#wow", "#instagood", "#finally")
EMOJI = ("😍", "😂", "🔥", "💙", "🙌", "😭", "✨", "🤔", "👀", "😎")
