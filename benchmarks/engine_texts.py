"""The texts that the engine's benchmark reads and writes on; its own, so that nothing is fetched."""

from __future__ import annotations

PROSE = "Once upon a time, in a village by the sea,"
"""The bundled model, greedy, goes on from here for more than 2,200 tokens without an end."""

PASSAGE = """\
The ferry house at Olden Reach stands on the north bank, forty steps above the water. It was built for two families, \
and two families have always lived in it. The upper door belongs to the people who row, and the lower door to the \
people who keep the ropes. Between them runs a stone passage that is never locked, because in a storm nobody wants to \
look for a key.

The day begins at five. Whoever wakes first lights the stove, puts the large kettle on the left plate and the small \
one on the right, and opens the shutter that looks upstream. If the white post in the middle of the river can be seen \
down to its third ring, the ferry may carry carts. If only two rings show, it carries people and small animals. If the \
water has reached the first ring, a red cloth is hung from the shutter and nobody crosses before noon.

After the river has been read, the ropes are walked. There are three of them. The long rope goes from the iron ring \
below the house to the oak on the south bank, and the ferry hangs on it like a bead on a string. The slack rope lies \
beside the landing and is used only when the long rope is being dried. The third rope is thin and grey. It is tied to \
a bell in the kitchen, and anyone who stands on the far side may pull it. One pull means a single traveller, two pulls \
mean a party, and three pulls mean that somebody is ill and that no fare will be asked.

Fares are written on a board that hangs under the eaves. A grown person pays two coppers, a child pays one, and a dog \
travels free if it stays off the benches. A loaded cart pays six coppers and waits until the foot passengers have \
landed. Musicians may pay with a song, but it has to be a song that the rower has not heard that week. The board was \
painted by Tamsin Orrel in the year of the two floods, and nobody has changed a number on it since, although the \
coppers have become smaller.

In the kitchen there is a book with a green back. Every crossing is written into it: the hour, the number of people, \
the ring of the post, and anything that was left behind. Umbrellas are the most common. In one autumn eleven umbrellas \
were found on the benches, and all of them were black. Nine were fetched by their owners, one was given to the \
schoolmaster, and the last one still stands behind the door, where it is used to reach the upper shelf.

At midday the rower and the rope keeper eat at the same table. It is the one hour in which the bell is not answered at \
once. A traveller who pulls the thin rope at noon will see a blue flag go up instead, which means that soup is being \
eaten and that the ferry will come when the bowls are empty. Strangers sometimes complain about this. They are told \
that the river has been there for a long time and that it has never once been late.

The afternoon belongs to repairs. Planks are tarred in the second week of each month, pulleys are greased on Mondays, \
and the long rope is lowered, washed in clear water and dried over the fence whenever three dry days follow one \
another. A wet rope is heavier than a dry one by half, and a heavy rope makes tired arms. The old rowers used to say \
that a crossing is won in the yard and only finished on the water.

When the sun stands behind the mill, the lamp is filled. It holds enough oil for nine hours, and in winter it is \
filled twice. The glass must be wiped with a dry cloth and never with paper, because paper leaves a dust that glows \
and makes the light look yellow. A yellow light means danger on this river, and a careless cloth once brought the \
whole village of Harrow Mill down to the bank with buckets and ladders, in the middle of the night, for nothing at all.

The last duty of the day is the quietest one. Somebody walks down to the landing, lays a hand on the long rope and \
waits for as long as it takes to breathe ten times. A good rope hums. If it is silent, a strand has gone, and it must \
be found before the morning. Then the shutter is closed, the kettles are turned upside down on the shelf, and the \
house is left to the sound of the water.
"""

LETTER = """\
Dear Ilse, you asked me what a winter is like in the ferry house, so here is an honest answer. It is mostly waiting. \
The carts stop coming when the hill road freezes, and from then on we carry the post, the midwife, and a man who sells \
needles. On some days the green book has one line in it, and on some days it has none, and then Corin writes the word \
"nothing" very carefully, with the date, as if it were a visitor.

We have learned to mend things that are not broken yet. I have sewn a second red cloth, because the first one has been \
bleached to the colour of a carrot, and twice this year people took it for an invitation. Corin has carved new handles \
for the small oars. They are too thick, and he knows it, and he is waiting for me to say so. I have decided to wait \
longer than he can.

The ice came on the eleventh. It does not grow across from the banks, as I had always believed. It arrives from \
upstream in plates as large as tables, and they turn slowly and knock against the white post with a sound like a cup \
that is set down. We hang the lantern lower on such nights, so that the light falls flat and shows the edges. When \
the plates begin to touch each other we take the ferry out of the water, and the long rope hangs there with nothing on \
it, and the bell rope is tied up so that the wind cannot ring it and send us down the steps for nobody.

You would like the evenings. The stove is never quite out, the passage between the two doors smells of tar and apples, \
and the children from the lower house come up to hear the end of the story about the miller's horse. I have been \
telling it since October. The horse has by now crossed four rivers, and each time it was asked for two coppers, and \
each time it paid with a song.

I should also tell you about the schoolmaster, because you will hear it from others otherwise. He wanted to cross on \
the shortest day, with a crate of slates, when only two rings showed and the wind stood straight up the river. Corin \
told him no. He said that the children needed the slates, and Corin said that the children needed a schoolmaster, and \
then they both sat in the kitchen until four o'clock and played draughts with buttons. He won. He has come over every \
week since then, with no crate at all, and he pulls the thin rope once and very gently, so that we know who it is. The \
slates crossed in the new year, on a morning as flat as a plate, and not one of them was cracked.

Please come in the spring, before the water does, and bring the brown umbrella back.
"""
"""Read together with the passage, it makes a conversation of 1,500 tokens."""

STARTS = (
    "The baker opened the door and saw",
    "On the mountain there stood a small house, and",
    "The old map showed a road that",
    "When the train stopped in the snow,",
    "My grandmother kept a garden where",
    "The captain looked at the sky and said that",
    "In the library, behind the last shelf,",
    "The dog had been waiting for an hour when",
)
"""Eight texts to go on from at once."""
